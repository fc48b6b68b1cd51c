// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The HAL's console: hvc0. */
#include <linux/console.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <asm/page.h>
#include "../../../drivers/tty/hvc/hvc_console.h"
#include "hal.h"

static struct hal_console_area area __aligned(PAGE_SIZE);
static u32 taken;	/* of what waits in rx */

static int put(u32 vtermno, const char *text, int count)
{
	count = min(count, HAL_LINE);
	memcpy(area.tx, text, count);
	return hal_call(HAL_CONSOLE_WRITE, 0, __pa(area.tx), count) ? count : -EIO;
}

static int get(u32 vtermno, char *text, int count)
{
	if (!READ_ONCE(area.rx_full))
		return 0;
	count = min_t(u32, count, area.rx_length - taken);
	memcpy(text, area.rx + taken, count);
	taken += count;
	if (taken == area.rx_length) {
		taken = 0;
		WRITE_ONCE(area.rx_full, 0);
	}
	return count;
}

static const struct hv_ops operations = { .get_chars = get, .put_chars = put };

static void early_write(struct console *console, const char *text, unsigned int count)
{
	while (count > 0) {
		int sent = put(0, text, count);

		if (sent <= 0)
			return;
		text += sent;
		count -= sent;
	}
}

static struct console early = {
	.name = "hal", .write = early_write, .flags = CON_PRINTBUFFER | CON_BOOT | CON_ENABLED, .index = -1,
};

void __init hal_console_early(void)
{
	if (hal_call(HAL_CONSOLE_REGISTER, 0, __pa(&area), sizeof(area)))
		register_console(&early);
}

static int __init hal_console_init(void)
{
	if (!lite_active)
		return 0;
	add_preferred_console("hvc", 0, NULL);
	return hvc_instantiate(0, 0, &operations);
}
console_initcall(hal_console_init);

static int __init hal_tty_init(void)
{
	if (!lite_active)
		return 0;
	return PTR_ERR_OR_ZERO(hvc_alloc(0, 0, &operations, 256));
}
device_initcall(hal_tty_init);
