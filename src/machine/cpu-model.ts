// The processors that can be chosen, for those who must not know src/cpu.

export { CPU_MODELS, type CpuModelName, DEFAULT_CPU_MODEL } from "../cpu/models.ts";
