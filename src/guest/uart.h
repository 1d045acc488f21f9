/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uart.h - a 16550A serial port that nothing is plugged into but a printer.
 *
 * What is sent is gone at once, nothing ever arrives, and there is no interrupt: for a driver
 * that polls.  Registers and loopback mode are there so that a driver finds the port.
 *
 * A plain value; owned by the thread of the vCPU whose I/O it is, until that is parked.  Travels
 * as the body of one FULL section. */
#ifndef GUEST_UART_H
#define GUEST_UART_H

#include "base/cursor.h"
#include "base/writer.h"

#define UART_NAME "godwit/serial"
#define UART_INSTANCE 0u
#define UART_VERSION 1u
#define UART_BYTES 14u
#define UART_DESCRIPTION_BYTES_MAX 1024u

#define UART_REGISTERS 8u

struct uart {
	uint8_t divisor_low;
	uint8_t divisor_high;
	uint8_t interrupt_enable;
	uint8_t fifo_control;
	uint8_t line_control;
	uint8_t modem_control;
	uint8_t scratch;
	bool looped_full; /* loopback: a byte came back and was not yet read */
	uint8_t looped;
	bool told_empty; /* the identification register has said that all is sent */
};

/* As after a reset. */
void uart_init(struct uart *uart);

/* The guest writes a register (0 to 7).  True when *byte is to be printed. */
bool uart_write(struct uart *uart, uint32_t index, uint8_t value, uint8_t *byte);
uint8_t uart_read(struct uart *uart, uint32_t index);

/* UART_BYTES of them. */
void uart_encode(const struct uart *uart, struct writer *out);
/* GW_PEER: cut short, another version, a flag that is neither 0 nor 1. */
int uart_decode(struct cursor *in, struct uart *uart, struct gw_error *err);

/* This section as one element of a VMDESCRIPTION's "devices".  Returns its length. */
uint32_t uart_describe(char text[UART_DESCRIPTION_BYTES_MAX]);

#endif
