// The bundled guests under every technique that their expectations state; those of the labs alone run with the labs.
import { describeGuest } from "../support/describe-guest.ts";
import { guestCards, guestExpectation } from "../support/guest-expectations.ts";

for (const { id } of guestCards()) if (guestExpectation(id).suite === undefined) describeGuest(id);
