// SPDX-License-Identifier: Apache-2.0
// Charts that are drawn as figures come, every two seconds; the last five minutes are kept while the page is open.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { call, messageOf } from "./api";
import { Problem } from "./parts";
import type { Stats } from "./types";
import { bytes, percent } from "./words";

const EVERY_MS = 2000;
const KEPT = 150;

export interface Line {
  name: string;
  colour: string;
}

export interface Sample {
  time: number;
  values: Record<string, number | null>;
}

function styleOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hourCycle: "h23" });
}

/** A minute at least, so that the first figures do not fill the chart. */
function windowOf(low: number | undefined, high = Date.now() / 1000): [number, number] {
  return [Math.min(low ?? high, high - 60), high];
}

function options(lines: Line[], width: number, least: number, format: (value: number) => string): uPlot.Options {
  const ink = styleOf("--quiet");
  const axis = { stroke: ink, grid: { stroke: styleOf("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width,
    height: 180,
    cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (_plot, low, high) => windowOf(low ?? undefined, high ?? undefined) }, y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, least)] } },
    axes: [{ ...axis, size: 30, values: (_plot, times) => times.map(timeOf) }, { ...axis, size: 72, values: (_plot, ticks) => ticks.map(format) }],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.name,
        stroke: styleOf(line.colour),
        fill: `${styleOf(line.colour)}22`,
        width: 2,
        points: { show: false },
        value: (_plot: uPlot, value: number | null) => (value === null ? "–" : format(value)),
      })),
    ],
  };
}

export function Chart(props: { title: string; lines: Line[]; samples: Sample[]; format: (value: number) => string; least?: number; note?: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const data = (): uPlot.AlignedData => [props.samples.map((sample) => sample.time), ...props.lines.map((line) => props.samples.map((sample) => sample.values[line.name] ?? null))];
  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(props.lines, place.current!.clientWidth, props.least ?? 100, props.format), data(), place.current!);
    };
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: place.current!.clientWidth, height: 180 }));
    make();
    sizes.observe(place.current!);
    dark.addEventListener("change", make);
    return () => {
      dark.removeEventListener("change", make);
      sizes.disconnect();
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data()), [props.samples]);
  const last = props.samples[props.samples.length - 1];
  const now = props.lines.map((line) => {
    const value = last?.values[line.name];
    const text = value === undefined || value === null ? "–" : props.format(value);
    return props.lines.length > 1 ? `${line.name} ${text}` : text;
  });
  return (
    <figure class="chart">
      <figcaption>
        <strong>{props.title}</strong> <span class="now">{now.join(", ")}</span> {props.note && <span class="quiet">{props.note}</span>}
      </figcaption>
      <div ref={place} />
    </figure>
  );
}

/** Samples of what ask() gives, for as long as somebody looks. */
export function useSamples<T>(ask: () => Promise<T>, reduce: (now: T, before: T | undefined) => Sample, key: string): [Sample[], T | undefined, string] {
  const [samples, setSamples] = useState<Sample[]>([]);
  const [now, setNow] = useState<T>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let before: T | undefined;
    let timer: ReturnType<typeof setTimeout>;
    let isOver = false;
    const round = async () => {
      try {
        if (!document.hidden) {
          const next = await ask();
          if (isOver) return;
          const sample = reduce(next, before);
          before = next;
          setNow(next);
          setSamples((all) => [...all, sample].slice(-KEPT));
          setProblem("");
        }
      } catch (error) {
        before = undefined;
        if (!isOver) setProblem(messageOf(error));
      }
      if (!isOver) timer = setTimeout(round, EVERY_MS);
    };
    round();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [key]);
  return [samples, now, problem];
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function traffic(stats: Stats, side: "rx_bytes" | "tx_bytes"): number {
  return sum(Object.values(stats.networks ?? {}).map((one) => one[side]));
}

function disk(stats: Stats, op: string): number {
  return sum((stats.blkio_stats?.io_service_bytes_recursive ?? []).filter((one) => one.op.toLowerCase() === op).map((one) => one.value));
}

/** Docker's own reckoning: without what the kernel may drop. */
export function memoryOf(stats: Stats): number {
  const parts = stats.memory_stats.stats ?? {};
  return (stats.memory_stats.usage ?? 0) - (parts.inactive_file ?? parts.total_inactive_file ?? 0);
}

export function rate(now: number, before: number | undefined, seconds: number): number | null {
  return before === undefined || seconds <= 0 ? null : Math.max(0, now - before) / seconds;
}

export function reduceStats(now: Stats, before: Stats | undefined): Sample {
  const time = Date.parse(now.read) / 1000;
  const seconds = before ? time - Date.parse(before.read) / 1000 : 0;
  const cpu = rate(now.cpu_stats.cpu_usage.total_usage, before?.cpu_stats.cpu_usage.total_usage, seconds);
  return {
    time,
    values: {
      CPU: cpu === null ? null : cpu / 1e7,
      Memory: memoryOf(now),
      in: rate(traffic(now, "rx_bytes"), before && traffic(before, "rx_bytes"), seconds),
      out: rate(traffic(now, "tx_bytes"), before && traffic(before, "tx_bytes"), seconds),
      read: rate(disk(now, "read"), before && disk(before, "read"), seconds),
      written: rate(disk(now, "write"), before && disk(before, "write"), seconds),
    },
  };
}

export const perSecond = (value: number) => `${bytes(value)}/s`;
const CPU = [{ name: "CPU", colour: "--series-1" }];
const MEMORY = [{ name: "Memory", colour: "--series-2" }];
export const NETWORK = [
  { name: "in", colour: "--series-1" },
  { name: "out", colour: "--series-3" },
];
export const DISK = [
  { name: "read", colour: "--series-2" },
  { name: "written", colour: "--series-4" },
];

export function ContainerCharts(props: { id: string; runs: boolean }) {
  if (!props.runs) return <p class="empty">The container does not run: there is nothing to measure.</p>;
  return <Running id={props.id} />;
}

function Running(props: { id: string }) {
  const [samples, now, problem] = useSamples(() => call<Stats>(`/containers/${props.id}/stats?stream=0&one-shot=1`), reduceStats, props.id);
  const limit = now?.memory_stats.limit;
  return (
    <>
      {problem && <Problem text={problem} />}
      <div class="charts">
        <Chart title="CPU" lines={CPU} samples={samples} format={percent} least={1} note="100 % is one processor" />
        <Chart title="Memory" lines={MEMORY} samples={samples} format={bytes} note={limit ? `of ${bytes(limit)}` : undefined} />
        <Chart title="Network" lines={NETWORK} samples={samples} format={perSecond} />
        <Chart title="Disk" lines={DISK} samples={samples} format={perSecond} />
      </div>
    </>
  );
}
