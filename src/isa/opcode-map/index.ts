// Every opcode row of the processor.

import type { Row } from "../row.ts";
import { GROUP_ROWS } from "./groups.ts";
import { MMX_ROWS } from "./mmx.ts";
import { ONE_BYTE_ROWS } from "./one-byte.ts";
import { SSE_ROWS } from "./sse.ts";
import { TWO_BYTE_ROWS } from "./two-byte.ts";
import { X87_ROWS } from "./x87.ts";

export const ROWS: readonly Row[] = [...ONE_BYTE_ROWS, ...GROUP_ROWS, ...TWO_BYTE_ROWS, ...X87_ROWS, ...MMX_ROWS, ...SSE_ROWS].map((row, index) => ({ ...row, index }));
