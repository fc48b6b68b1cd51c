// The guests of the labs under every technique that their expectations state.
import { describeGuest } from "../support/describe-guest.ts";
import { guestCards, guestExpectation } from "../support/guest-expectations.ts";

for (const { id } of guestCards()) if (guestExpectation(id).suite === "labs") describeGuest(id);
