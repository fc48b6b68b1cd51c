/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The hardware abstraction layer of plex86: INT FFh, EAX is the call, EBX, ECX and EDX are its arguments. Addresses are physical. */
#ifndef LITE_HAL_H
#define LITE_HAL_H

#include <linux/types.h>

enum hal_call {
	HAL_NET_TX = 1,		/* device, frame, bytes */
	HAL_NET_REGISTER,	/* device, receive area, its bytes */
	HAL_CONSOLE_WRITE,	/* device, -, bytes in the area's tx */
	HAL_CONSOLE_REGISTER,	/* device, area, its bytes */
	HAL_DISK_INFO,		/* HAL_DISKS descriptions */
	HAL_DISK_WRITE,		/* buffer of a sector, sector, disk */
	HAL_DISK_READ,
	HAL_DISK_CLEANUP,
};

#define HAL_DISKS	4
#define HAL_FRAME	1514
#define HAL_LINE	1024
#define HAL_IRQ		3

struct hal_console_area {
	u32 rx_full;
	u32 rx_length;
	u8 rx[HAL_LINE];
	u8 tx[HAL_LINE];
};

struct hal_net_area {
	u32 rx_full;
	u32 rx_length;
	u8 rx[HAL_FRAME];
};

struct hal_disk_info {
	u32 exists;
	u32 cylinders, heads, sectors_per_track, start;
	u32 sectors;
};

extern int lite_active;

static inline u32 hal_call(enum hal_call call, u32 b, u32 c, u32 d)
{
	u32 result;

	asm volatile("int $0xff" : "=a"(result) : "0"(call), "b"(b), "c"(c), "d"(d) : "memory");
	return result;
}

void hal_console_early(void);
void hal_net_interrupt(void);

#endif
