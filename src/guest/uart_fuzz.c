/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uart_fuzz.c - hostile state of a serial port, and then a hostile driver. */
#include "guest/uart.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	uint8_t bytes[UART_BYTES], byte;
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct uart uart;
	struct gw_error err;

	err.text[0] = '\0';
	if (uart_decode(&in, &uart, &err) < 0) {
		if (err.kind != GW_PEER || err.text[0] == '\0')
			abort();
		return 0;
	}
	uart_encode(&uart, &out);
	if (out.overrun || out.used != UART_BYTES || memcmp(bytes, data, UART_BYTES) != 0)
		abort();
	while (!cursor_at_end(&in)) {
		uint8_t what = cursor_u8(&in);

		if (what & 0x80)
			uart_read(&uart, what % UART_REGISTERS);
		else if (uart_write(&uart, what % UART_REGISTERS, cursor_u8(&in),
				    &byte) &&
			 what % UART_REGISTERS != 0)
			abort();
		/* A driver that waits for room is never kept. */
		if ((uart_read(&uart, 5) & 0x60) != 0x60)
			abort();
	}
	return 0;
}
