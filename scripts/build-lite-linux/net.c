// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The HAL's network: eth0. One frame at a time each way. */
#include <linux/etherdevice.h>
#include <linux/init.h>
#include <linux/netdevice.h>
#include <asm/page.h>
#include "hal.h"

static struct hal_net_area area __aligned(PAGE_SIZE);
static struct net_device *device;
static const u8 station[ETH_ALEN] = { 0x02, 0x54, 0x53, 0x00, 0x00, 0x02 };

static netdev_tx_t transmit(struct sk_buff *frame, struct net_device *dev)
{
	if (frame->len <= HAL_FRAME && hal_call(HAL_NET_TX, 0, __pa(frame->data), frame->len)) {
		dev->stats.tx_packets++;
		dev->stats.tx_bytes += frame->len;
	} else {
		dev->stats.tx_errors++;
	}
	dev_kfree_skb(frame);
	return NETDEV_TX_OK;
}

void hal_net_interrupt(void)
{
	struct sk_buff *frame;

	if (!device || !READ_ONCE(area.rx_full))
		return;
	frame = netif_running(device) ? netdev_alloc_skb_ip_align(device, area.rx_length) : NULL;
	if (frame) {
		skb_put_data(frame, area.rx, area.rx_length);
		frame->protocol = eth_type_trans(frame, device);
		device->stats.rx_packets++;
		device->stats.rx_bytes += area.rx_length;
		netif_rx(frame);
	}
	WRITE_ONCE(area.rx_full, 0);
}

static int start(struct net_device *dev)
{
	netif_start_queue(dev);
	return 0;
}

static int stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	return 0;
}

static const struct net_device_ops operations = { .ndo_open = start, .ndo_stop = stop, .ndo_start_xmit = transmit };

static int __init hal_net_init(void)
{
	struct net_device *dev;
	int error;

	if (!lite_active)
		return 0;
	dev = alloc_etherdev(0);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &operations;
	eth_hw_addr_set(dev, station);
	error = register_netdev(dev);
	if (!error && !hal_call(HAL_NET_REGISTER, 0, __pa(&area), sizeof(area))) {
		unregister_netdev(dev);
		error = -EIO;
	}
	if (error)
		free_netdev(dev);
	else
		device = dev;
	return error;
}
device_initcall(hal_net_init);
