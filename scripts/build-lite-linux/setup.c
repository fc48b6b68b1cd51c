// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Are we under Plex86-lite? Called before anything else of the kernel in C. */
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/x86_init.h>
#include "../../../drivers/tty/hvc/hvc_console.h"
#include "hal.h"

int lite_active __section(".data");
EXPORT_SYMBOL(lite_active);

extern u8 *__start_lite_iret[], *__stop_lite_iret[];

/* What the monitor does not do for a kernel: 4 MB pages, and registers that RDMSR and WRMSR would reach. */
static const u16 without[] __initconst = {
	X86_FEATURE_PSE, X86_FEATURE_PSE36, X86_FEATURE_PAE, X86_FEATURE_SEP, X86_FEATURE_MSR, X86_FEATURE_MTRR, X86_FEATURE_PAT,
	X86_FEATURE_APIC, X86_FEATURE_MCE, X86_FEATURE_MCA, X86_FEATURE_SYSCALL32, X86_FEATURE_NX,
};

void __init lite_setup(void)
{
	u16 cs;
	u8 **site;
	int i;

	asm("movw %%cs, %0" : "=r"(cs));
	lite_active = (cs & 3) == 3;
	if (lite_active) {
		for (i = 0; i < ARRAY_SIZE(without); i++)
			setup_clear_cpu_cap(without[i]);
		x86_init.oem.arch_setup = hal_console_early;
		return;
	}
	for (site = __start_lite_iret; site < __stop_lite_iret; site++)
		**site = 0x3e;
}

static irqreturn_t hal_interrupt(int irq, void *unused)
{
	hal_net_interrupt();
	hvc_kick();
	return IRQ_HANDLED;
}

static int __init hal_irq_init(void)
{
	if (!lite_active)
		return 0;
	return request_irq(HAL_IRQ, hal_interrupt, 0, "hal", NULL);
}
device_initcall(hal_irq_init);
