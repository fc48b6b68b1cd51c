// The RTL8029AS on PCI: 32 ports in BAR 0 and interrupt pin A. Manual: Realtek RTL8029AS, "PCI Configuration Space".

import { NE2000_PORTS } from "./ne2000.ts";
import { PciFunction, type Place } from "./pci-function.ts";

export class PciNe2000 extends PciFunction {
  constructor(placePorts: Place) {
    super("pci-ne2000", { vendor: 0x10ec, device: 0x8029, revision: 0, classCode: 0x020000, subsystemVendor: 0x10ec, subsystem: 0x8029, interruptPin: 1, commandMask: 0x0001, status: 0x0200 });
    this.defineBar(0, "io", NE2000_PORTS, placePorts);
  }
}
