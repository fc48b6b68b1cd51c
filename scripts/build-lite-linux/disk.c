// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The HAL's disks: /dev/hald0 to hald3. A call moves a sector at once; there is nothing to wait for. */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/init.h>
#include <asm/io.h>
#include "hal.h"

static void submit(struct bio *bio)
{
	u32 disk = (unsigned long)bio->bi_bdev->bd_disk->private_data;
	enum hal_call call = op_is_write(bio_op(bio)) ? HAL_DISK_WRITE : HAL_DISK_READ;
	sector_t sector = bio->bi_iter.bi_sector;
	struct bvec_iter iterator;
	struct bio_vec piece;
	u32 done;

	bio_for_each_segment(piece, bio, iterator) {
		phys_addr_t at = page_to_phys(piece.bv_page) + piece.bv_offset;

		for (done = 0; done < piece.bv_len; done += SECTOR_SIZE) {
			if (!hal_call(call, at + done, sector++, disk)) {
				bio_io_error(bio);
				return;
			}
		}
	}
	bio_endio(bio);
}

static const struct block_device_operations operations = { .submit_bio = submit };

static int __init add(u32 index, u32 sectors, int major)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);
	int error;

	if (!disk)
		return -ENOMEM;
	disk->major = major;
	disk->first_minor = index * 16;
	disk->minors = 16;
	disk->fops = &operations;
	disk->private_data = (void *)(unsigned long)index;
	snprintf(disk->disk_name, DISK_NAME_LEN, "hald%u", index);
	set_capacity(disk, sectors);
	pr_info("hald%u: %u sectors\n", index, sectors);
	error = add_disk(disk);
	if (error)
		put_disk(disk);
	return error;
}

static int __init hal_disk_init(void)
{
	static struct hal_disk_info info[HAL_DISKS] __initdata;
	int major, error;
	u32 i;

	if (!lite_active || !hal_call(HAL_DISK_INFO, __pa(info), 0, 0))
		return 0;
	major = register_blkdev(0, "hald");
	if (major < 0)
		return major;
	for (i = 0; i < HAL_DISKS; i++) {
		if (!info[i].exists)
			continue;
		error = add(i, info[i].sectors, major);
		if (error)
			return error;
	}
	return 0;
}
device_initcall(hal_disk_init);
