// SPDX-License-Identifier: LGPL-2.1-or-later

// go_qemu - a migration as programs that use go-qemu (a QMP client in Debian that knows the types
// of QEMU's API) would do it:
//
//	go_qemu SOURCE.qmp DESTINATION.qmp URI
//
// The destination was started to be told by migrate-incoming where to listen.  Prints what it saw,
// a line each, which is the same for whatever answers.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"github.com/digitalocean/go-qemu/qmp/raw"
)

const patience = 60 * time.Second

type peer struct {
	socket *qmp.SocketMonitor
	api    *raw.Monitor
	events <-chan qmp.Event
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect(path string) peer {
	socket, err := qmp.NewSocketMonitor("unix", path, patience)
	must(err)
	must(socket.Connect())
	events, err := socket.Events(context.Background())
	must(err)
	return peer{socket, raw.NewMonitor(socket), events}
}

func (p peer) status() string {
	status, err := p.api.QueryStatus()
	must(err)
	return fmt.Sprintf("%v, running %v", status.Status, status.Running)
}

func (p peer) enable() {
	must(p.api.MigrateSetCapabilities([]raw.MigrationCapabilityStatus{
		{Capability: raw.MigrationCapabilityEvents, State: true},
		{Capability: raw.MigrationCapabilityReturnPath, State: true},
	}))
}

func (p peer) limit(maxBandwidth, downtimeLimit int64) {
	must(p.api.MigrateSetParameters(&raw.MigrateSetParameters{
		MaxBandwidth: &maxBandwidth, DowntimeLimit: &downtimeLimit,
	}))
	seen, err := p.api.QueryMigrateParameters()
	must(err)
	fmt.Println("limits", *seen.MaxBandwidth, *seen.DowntimeLimit)
}

func (p peer) await(wanted raw.MigrationStatus) raw.MigrationInfo {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		info, err := p.api.QueryMigrate()
		must(err)
		if info.Status != nil && *info.Status == wanted {
			return info
		}
	}
	must(fmt.Errorf("no migration status %v", wanted))
	return raw.MigrationInfo{}
}

// The library gives no event before the one before was taken.
func collect(events <-chan qmp.Event, last string, into chan<- []string) {
	var seen []string
	for event := range events {
		name := event.Event
		if name == "MIGRATION" {
			name = fmt.Sprint(name, " ", event.Data["status"])
		}
		if name != "MIGRATION_PASS" {
			seen = append(seen, name)
		}
		if name == last {
			break
		}
	}
	into <- seen
	for range events {
	}
}

func main() {
	source, destination, uri := connect(os.Args[1]), connect(os.Args[2]), os.Args[3]
	left, arrived := make(chan []string), make(chan []string)
	go collect(source.events, "MIGRATION completed", left)
	go collect(destination.events, "MIGRATION completed", arrived)

	version, err := source.api.QueryVersion()
	must(err)
	fmt.Println("version", version.Qemu.Major, version.Qemu.Minor)
	commands, err := source.api.QueryCommands()
	must(err)
	for _, command := range commands {
		if command.Name == "migrate" {
			fmt.Println("migrate is there")
		}
	}
	fmt.Println("source:", source.status())
	fmt.Println("destination:", destination.status())
	fmt.Println("refused:", source.api.Migrate("nowhere:1", nil, nil, nil))
	fmt.Println("refused:", source.api.MigrateIncoming("tcp:127.0.0.1:0"))
	source.enable()
	destination.enable()
	source.limit(1<<30, 250)
	must(destination.api.MigrateIncoming(uri))
	must(source.api.Migrate(uri, nil, nil, nil))
	info := source.await(raw.MigrationStatusCompleted)
	fmt.Println("total", info.RAM.Total, "remaining", info.RAM.Remaining,
		"page size", info.RAM.PageSize, "times", info.TotalTime != nil,
		info.SetupTime != nil, info.Downtime != nil)
	fmt.Println("source:", <-left)
	fmt.Println("destination:", <-arrived)
	fmt.Println("source:", source.status())
	fmt.Println("destination:", destination.status())
	text, err := destination.api.HumanMonitorCommand("info status", nil)
	must(err)
	fmt.Printf("%q\n", text)
	must(source.api.Quit())
	must(destination.api.Quit())
}
