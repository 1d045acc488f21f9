/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uart_test.c - a driver finds the port, prints, and goes on elsewhere. */
#include "guest/uart.h"

#include "tests/check.h"

static struct gw_error err;

TEST(byte_is_printed_once)
{
	struct uart uart;
	uint8_t byte = 0;

	uart_init(&uart);
	CHECK_EQ(uart_read(&uart, 5), 0x60);
	CHECK(uart_write(&uart, 0, 'g', &byte));
	CHECK_EQ(byte, 'g');
	CHECK_EQ(uart_read(&uart, 5), 0x60);
}

TEST(divisor_hides_the_data_register)
{
	struct uart uart;
	uint8_t byte = 0;

	uart_init(&uart);
	uart_write(&uart, 1, 0x05, &byte);
	uart_write(&uart, 3, 0x83, &byte);
	CHECK(!uart_write(&uart, 0, 0x01, &byte));
	CHECK(!uart_write(&uart, 1, 0x02, &byte));
	CHECK_EQ(uart_read(&uart, 0), 0x01);
	CHECK_EQ(uart_read(&uart, 1), 0x02);
	uart_write(&uart, 3, 0x03, &byte);
	CHECK_EQ(uart_read(&uart, 1), 0x05);
	CHECK_EQ(uart_read(&uart, 3), 0x03);
	CHECK(uart_write(&uart, 0, 'x', &byte));
}

/* What Linux's 8250 driver looks at before it believes in a port. */
TEST(driver_that_probes_finds_a_16550a)
{
	struct uart uart;
	uint8_t byte;

	uart_init(&uart);
	uart_write(&uart, 1, 0, &byte);
	CHECK_EQ(uart_read(&uart, 1), 0);
	uart_write(&uart, 1, 0xff, &byte);
	CHECK_EQ(uart_read(&uart, 1), 0x0f);
	uart_write(&uart, 1, 0, &byte);
	uart_write(&uart, 4, 0x1a, &byte);
	CHECK_EQ(uart_read(&uart, 6) & 0xf0, 0x90);
	CHECK(!uart_write(&uart, 0, 'l', &byte));
	CHECK_EQ(uart_read(&uart, 5), 0x61);
	CHECK_EQ(uart_read(&uart, 0), 'l');
	CHECK_EQ(uart_read(&uart, 5), 0x60);
	uart_write(&uart, 4, 0x0b, &byte);
	CHECK_EQ(uart_read(&uart, 6), 0xb0);
	uart_write(&uart, 2, 0x07, &byte);
	CHECK_EQ(uart_read(&uart, 2), 0xc1);
	uart_write(&uart, 7, 0x5a, &byte);
	CHECK_EQ(uart_read(&uart, 7), 0x5a);
}

TEST(empty_transmitter_is_told_of_once_a_byte)
{
	struct uart uart;
	uint8_t byte;

	uart_init(&uart);
	CHECK_EQ(uart_read(&uart, 2), 0x01);
	uart_write(&uart, 1, 0x02, &byte);
	CHECK_EQ(uart_read(&uart, 2), 0x02);
	CHECK_EQ(uart_read(&uart, 2), 0x01);
	uart_write(&uart, 0, 'a', &byte);
	CHECK_EQ(uart_read(&uart, 2), 0x02);
}

TEST(port_travels_field_by_field)
{
	struct uart uart = { 1, 2, 3, 4, 5, 6, 7, true, 8, true }, other;
	uint8_t bytes[2][UART_BYTES], byte;
	struct writer out = writer_over(bytes[0], UART_BYTES);
	struct cursor in;

	uart_encode(&uart, &out);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, UART_BYTES);
	in = cursor_over(bytes[0], UART_BYTES);
	CHECK_OK(uart_decode(&in, &other, &err), &err);
	CHECK(cursor_at_end(&in));
	out = writer_over(bytes[1], UART_BYTES);
	uart_encode(&other, &out);
	CHECK(memcmp(bytes[0], bytes[1], UART_BYTES) == 0);
	CHECK_EQ(uart_read(&other, 7), 7);
	CHECK(!uart_write(&other, 7, 0, &byte));
}

TEST(broken_ports_are_refused)
{
	struct uart uart, untouched;
	uint8_t bytes[UART_BYTES];
	struct writer out = writer_over(bytes, UART_BYTES);
	struct cursor in;

	uart_init(&uart);
	uart_encode(&uart, &out);
	untouched = uart;
	for (size_t length = 0; length < UART_BYTES; length++) {
		in = cursor_over(bytes, length);
		CHECK_EQ(uart_decode(&in, &uart, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "serial port: cut short");
	}
	bytes[11] = 2;
	in = cursor_over(bytes, UART_BYTES);
	CHECK_EQ(uart_decode(&in, &uart, &err), -1);
	CHECK_STR(err.text,
		  "serial port: looped_full 2, told_empty 0, 0 and 1 are known");
	bytes[3] = 9;
	in = cursor_over(bytes, UART_BYTES);
	CHECK_EQ(uart_decode(&in, &uart, &err), -1);
	CHECK_STR(err.text, "serial port: version 9, 1 is known");
	CHECK_EQ(uart.divisor_low, untouched.divisor_low);
}

TEST_MAIN(TEST_OF(byte_is_printed_once), TEST_OF(divisor_hides_the_data_register),
	  TEST_OF(driver_that_probes_finds_a_16550a),
	  TEST_OF(empty_transmitter_is_told_of_once_a_byte),
	  TEST_OF(port_travels_field_by_field), TEST_OF(broken_ports_are_refused))
