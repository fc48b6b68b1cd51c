// Gives the person a file that the page made.

export function downloadFile(name: string, bytes: Uint8Array): void {
  downloadBlob(name, new Blob([new Uint8Array(bytes)]));
}

export function downloadBlob(name: string, data: Blob): void {
  const address = URL.createObjectURL(data);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the data by the next turn.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
