// A text in which what stands between backticks is code.

export function CodeText({ text }: { readonly text: string }): React.JSX.Element {
  // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text do not move
  return <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}
