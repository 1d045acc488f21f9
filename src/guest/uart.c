/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uart.c - a 16550A serial port that nothing is plugged into but a printer. */
#include "guest/uart.h"

#include <assert.h>
#include <stdio.h>

/* Registers; two are others while the divisor can be reached. */
enum {
	DATA,
	INTERRUPT_ENABLE,
	FIFO,
	LINE_CONTROL,
	MODEM_CONTROL,
	LINE_STATUS,
	MODEM_STATUS,
	SCRATCH
};

#define ENABLE_EMPTY 0x02u
#define ENABLE_KNOWN 0x0fu
#define FIFO_ENABLE 0x01u
#define FIFO_CLEAR 0x06u /* done by the time it is looked at */
#define FIFO_SHOWN 0xc0u
#define IDENTIFY_NONE 0x01u
#define IDENTIFY_EMPTY 0x02u
#define LINE_DIVISOR 0x80u
#define LINE_DATA_READY 0x01u
#define LINE_ALL_SENT 0x60u
#define MODEM_LOOP 0x10u
#define MODEM_KNOWN 0x1fu
/* Somebody is there: carrier, ready, clear to send. */
#define MODEM_PRESENT 0xb0u

void uart_init(struct uart *uart)
{
	/* 9600 baud. */
	*uart = (struct uart){ .divisor_low = 12 };
}

bool uart_write(struct uart *uart, uint32_t index, uint8_t value, uint8_t *byte)
{
	bool divisor = (uart->line_control & LINE_DIVISOR) != 0;

	switch (index) {
	case DATA:
		if (divisor) {
			uart->divisor_low = value;
			return false;
		}
		uart->told_empty = false;
		if (uart->modem_control & MODEM_LOOP) {
			uart->looped = value;
			uart->looped_full = true;
			return false;
		}
		*byte = value;
		return true;
	case INTERRUPT_ENABLE:
		if (divisor) {
			uart->divisor_high = value;
			break;
		}
		uart->interrupt_enable = value & ENABLE_KNOWN;
		uart->told_empty = false;
		break;
	case FIFO:
		uart->fifo_control = value & (uint8_t)~FIFO_CLEAR;
		break;
	case LINE_CONTROL:
		uart->line_control = value;
		break;
	case MODEM_CONTROL:
		uart->modem_control = value & MODEM_KNOWN;
		break;
	case SCRATCH:
		uart->scratch = value;
		break;
	default: /* the status registers keep what they say */
		break;
	}
	return false;
}

static uint8_t identify(struct uart *uart)
{
	uint8_t shown = uart->fifo_control & FIFO_ENABLE ? FIFO_SHOWN : 0;

	if (!(uart->interrupt_enable & ENABLE_EMPTY) || uart->told_empty)
		return shown | IDENTIFY_NONE;
	uart->told_empty = true;
	return shown | IDENTIFY_EMPTY;
}

static uint8_t modem_status(const struct uart *uart)
{
	uint8_t control = uart->modem_control;

	if (!(control & MODEM_LOOP))
		return MODEM_PRESENT;
	/* What goes out comes in: RTS, DTR, OUT1 and OUT2 as CTS, DSR, RI and DCD. */
	return (uint8_t)((control & 0x02u) << 3 | (control & 0x01u) << 5 |
			 (control & 0x0cu) << 4);
}

uint8_t uart_read(struct uart *uart, uint32_t index)
{
	bool divisor = (uart->line_control & LINE_DIVISOR) != 0;

	switch (index) {
	case DATA:
		if (divisor)
			return uart->divisor_low;
		uart->looped_full = false;
		return uart->looped;
	case INTERRUPT_ENABLE:
		return divisor ? uart->divisor_high : uart->interrupt_enable;
	case FIFO:
		return identify(uart);
	case LINE_CONTROL:
		return uart->line_control;
	case MODEM_CONTROL:
		return uart->modem_control;
	case LINE_STATUS:
		return LINE_ALL_SENT | (uart->looped_full ? LINE_DATA_READY : 0);
	case MODEM_STATUS:
		return modem_status(uart);
	default:
		return uart->scratch;
	}
}

void uart_encode(const struct uart *uart, struct writer *out)
{
	writer_be32(out, UART_VERSION);
	writer_u8(out, uart->divisor_low);
	writer_u8(out, uart->divisor_high);
	writer_u8(out, uart->interrupt_enable);
	writer_u8(out, uart->fifo_control);
	writer_u8(out, uart->line_control);
	writer_u8(out, uart->modem_control);
	writer_u8(out, uart->scratch);
	writer_u8(out, uart->looped_full);
	writer_u8(out, uart->looped);
	writer_u8(out, uart->told_empty);
}

int uart_decode(struct cursor *in, struct uart *uart, struct gw_error *err)
{
	struct uart seen;
	uint32_t version = cursor_be32(in);
	uint8_t looped_full, told_empty;

	if (!in->overrun && version != UART_VERSION)
		return fail(err, GW_PEER, "serial port: version %u, %u is known", version,
			    UART_VERSION);
	seen.divisor_low = cursor_u8(in);
	seen.divisor_high = cursor_u8(in);
	seen.interrupt_enable = cursor_u8(in);
	seen.fifo_control = cursor_u8(in);
	seen.line_control = cursor_u8(in);
	seen.modem_control = cursor_u8(in);
	seen.scratch = cursor_u8(in);
	looped_full = cursor_u8(in);
	seen.looped = cursor_u8(in);
	told_empty = cursor_u8(in);
	if (in->overrun)
		return cursor_fail(in, err, "serial port");
	if (looped_full > 1 || told_empty > 1)
		return fail(
			err, GW_PEER,
			"serial port: looped_full %u, told_empty %u, 0 and 1 are known",
			looped_full, told_empty);
	seen.looped_full = looped_full;
	seen.told_empty = told_empty;
	*uart = seen;
	return 0;
}

uint32_t uart_describe(char text[UART_DESCRIPTION_BYTES_MAX])
{
	static const char *const fields[] = { "divisor_low",	  "divisor_high",
					      "interrupt_enable", "fifo_control",
					      "line_control",	  "modem_control",
					      "scratch",	  "looped_full",
					      "looped",		  "told_empty" };
	const size_t room = UART_DESCRIPTION_BYTES_MAX;
	size_t used;

	used = (size_t)snprintf(
		text, room,
		"{\"name\":\"%s\",\"instance_id\":%u,\"vmsd_name\":\"%s\","
		"\"version\":%u,\"fields\":["
		"{\"name\":\"version\",\"type\":\"uint32\",\"size\":4}",
		UART_NAME, UART_INSTANCE, UART_NAME, UART_VERSION);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert(used < room);
		used += (size_t)snprintf(
			text + used, room - used,
			",{\"name\":\"%s\",\"type\":\"uint8\",\"size\":1}", fields[i]);
	}
	assert(used < room);
	used += (size_t)snprintf(text + used, room - used, "]}");
	assert(used < room);
	return (uint32_t)used;
}
