// A processor with memory and nothing else: puts bytes anywhere, sets any register, steps, and looks at the exception.
import { createMachine } from "trapscope";

const machine = await createMachine({ memoryBytes: 1 << 20, firmware: "none", deliverExceptions: false });
const code = Uint8Array.of(0xb8, 0x05, 0x00, 0xbb, 0x00, 0x00, 0xf7, 0xf3); // mov ax,5 / mov bx,0 / div bx
machine.memory.write(0x1000, code);
machine.setState({ eip: 0x1000, cs: { selector: 0, base: 0, limit: 0xffff, access: 0x9b } });

for (let n = 0; n < 3; n++) {
  const { exception } = machine.step();
  const { eax, ebx, eip } = machine.state();
  console.log(`eip ${eip.toString(16)} eax ${eax} ebx ${ebx}${exception ? ` exception ${exception.vector}` : ""}`);
}
machine.dispose();
