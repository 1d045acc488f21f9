/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_trial.h - the last part of a device's probe: one page there and back. */
#ifndef CODEC_DEVICE_TRIAL_H
#define CODEC_DEVICE_TRIAL_H

#include "codec/device.h"

/* By open, submit, reap and close; GW_UNSUPPORTED with what the device answered. */
int device_trial(const struct device *device, enum unit_form form, struct gw_error *err);

#endif
