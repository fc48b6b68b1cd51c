// A device of one's own: a port that counts, read by a guest that is eight bytes long.
import { createMachine } from "trapscope";

const machine = await createMachine({ memoryBytes: 1 << 20, firmware: "none" });
let count = 0;
machine.onPort({ first: 0x2f0, last: 0x2f0, read: () => ++count });
machine.memory.write(0x1000, Uint8Array.of(0xba, 0xf0, 0x02, 0xec, 0xec, 0xec, 0xf4)); // mov dx,2f0h / in al,dx three times / hlt
machine.setState({ eip: 0x1000, eflags: 2, cs: { selector: 0, base: 0, limit: 0xffff, access: 0x9b } });
console.log(machine.run({ instructions: 100 }).reason, "AL =", machine.state().eax & 0xff);
machine.dispose();
