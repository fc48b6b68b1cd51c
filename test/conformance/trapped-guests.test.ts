// The bundled guests as their expectations state; those of the labs alone run with the labs. All techniques take a minute:
// TRAPSCOPE_LONG=1 runs them; without it, emulate, and trap at both rings.
import { describeGuest } from "../support/describe-guest.ts";
import { guestCards, guestExpectation } from "../support/guest-expectations.ts";

const chosen = process.env["TRAPSCOPE_LONG"] ? () => true : (key: string) => /^(emulate|trap\/[13])$/.test(key);

for (const { id } of guestCards()) if (guestExpectation(id).suite === undefined) describeGuest(id, chosen);
