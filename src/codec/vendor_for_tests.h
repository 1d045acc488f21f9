/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_for_tests.h - the code for QPL and QATzip, run where there is no device.
 *
 * What godwit itself never does: QPL's software path, QATzip's software backup.  Both before the
 * first probe, both for the whole process.  QATzip then uses up one of the process's 1,024 keys
 * for thread-specific data with every call. */
#ifndef CODEC_VENDOR_FOR_TESTS_H
#define CODEC_VENDOR_FOR_TESTS_H

void device_qpl_compute_in_software(void);
void device_qatzip_compute_in_software(void);

#endif
