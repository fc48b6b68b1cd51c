// What a translated region tells of itself to those that enter it.

/** What a region leaves with: look EIP up, or execute the instruction at EIP without entering a region there. */
export const REGION_LOOKUP = 0, REGION_SIDE_EXIT = 1;
/** Nothing was done: the budget is too small, or the region was made for another place. */
export const REGION_DECLINED = 2;
/** In the entry number: another region goes on there. What it has done stays done, so that one that declines has EIP looked up. */
export const ENTRY_CHAINED = 0x8000;

/** Above it, in the entry number: how many regions wait for this one to return. As many as the host's stack has room for. */
export const ENTRY_DEPTH = 16;
export const DEEPEST_CALL = 64;

/** Most links of one region; 0 in an exit stands for none of them. */
export const REGION_LINKS = 31;
/** Words of a link. The entry to go on at; LINK_OPEN: no region begins at its place. */
export const L_ENTRY = 0;
export const LINK_OPEN = -1;
/** Where the region goes on itself when EIP comes there: distance from its first page above 8 bits of the entry's number. LINK_JUMP: it does not wait. */
export const L_RETURN = 4;
export const LINK_JUMP = -1;
export const LINK_BYTES = 8;
/** The number of an entry has so many bits in L_RETURN, and the distance the others. */
export const RETURN_ENTRY_BITS = 8;

/** Values that a cell of `noteTarget` holds, behind its count. A power of two. */
export const CELL_TARGETS = 32;
