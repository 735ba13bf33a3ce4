// SPDX-License-Identifier: Apache-2.0
import { call } from "./api";
import { Chart, DISK, NETWORK, type Sample, perSecond, rate, useSamples } from "./charts";
import { Problem } from "./parts";
import { bytes, countOf, percent, span } from "./words";

interface Usage {
  Time: number; // nanoseconds, monotonic
  Uptime: number; // seconds
  CPU: { Count: number; Busy: number }; // nanoseconds of all processors
  Memory: { Total: number; Available: number };
  Network: { Received: number; Sent: number };
  Disk: { Read: number; Written: number };
  Store: { Total: number; Free: number };
}

function reduce(now: Usage, before: Usage | undefined): Sample {
  const seconds = before ? (now.Time - before.Time) / 1e9 : 0;
  const cpu = rate(now.CPU.Busy, before?.CPU.Busy, seconds);
  return {
    time: Date.now() / 1000,
    values: {
      CPU: cpu === null ? null : cpu / 1e7 / now.CPU.Count,
      Memory: now.Memory.Total - now.Memory.Available,
      in: rate(now.Network.Received, before?.Network.Received, seconds),
      out: rate(now.Network.Sent, before?.Network.Sent, seconds),
      read: rate(now.Disk.Read, before?.Disk.Read, seconds),
      written: rate(now.Disk.Written, before?.Disk.Written, seconds),
    },
  };
}

const CPU = [{ name: "CPU", colour: "--series-1" }];
const MEMORY = [{ name: "Memory", colour: "--series-2" }];

export function DeviceCharts() {
  const [samples, now, problem] = useSamples(() => call<Usage>("/kedge/v1/system/usage"), reduce, "");
  return (
    <>
      {problem && <Problem text={problem} />}
      {now && (
        <p class="intro">
          Up {span(now.Uptime)}. {bytes(now.Store.Free)} of {bytes(now.Store.Total)} are free on the disk with images and containers.
        </p>
      )}
      <div class="charts">
        <Chart title="CPU" lines={CPU} samples={samples} format={percent} least={1} note={now && `of ${countOf(now.CPU.Count, "processor")}`} />
        <Chart title="Memory" lines={MEMORY} samples={samples} format={bytes} note={now && `of ${bytes(now.Memory.Total)}`} />
        <Chart title="Network" lines={NETWORK} samples={samples} format={perSecond} />
        <Chart title="Disk" lines={DISK} samples={samples} format={perSecond} />
      </div>
    </>
  );
}
