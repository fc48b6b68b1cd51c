// What a translated region tells of itself to those that enter it.

/** What a region leaves with: look EIP up, or execute the instruction at EIP without entering a region there. */
export const REGION_LOOKUP = 0, REGION_SIDE_EXIT = 1;
/** Nothing was done: the budget is too small, or the region was made for another place. */
export const REGION_DECLINED = 2;

/** Values that a cell of `noteTarget` holds, behind its count. A power of two. */
export const CELL_TARGETS = 32;
