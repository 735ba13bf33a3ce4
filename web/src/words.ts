// SPDX-License-Identifier: Apache-2.0
// Figures, times and names as a person reads them.

export function bytes(count: number | undefined): string {
  if (count === undefined || count < 0 || Number.isNaN(count)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit++;
  }
  return `${count >= 100 || unit === 0 ? count.toFixed(0) : count.toPrecision(3)} ${units[unit]}`;
}

export function percent(share: number): string {
  return `${share >= 10 ? share.toFixed(0) : Number(share.toFixed(share < 1 ? 2 : 1))} %`;
}

export function span(seconds: number): string {
  const steps: [number, string][] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  for (const [size, word] of steps) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${word}${count === 1 ? "" : "s"}`;
  }
  return "less than a second";
}

export function ago(seconds: number): string {
  return `${span(Math.max(0, Date.now() / 1000 - seconds))} ago`;
}

export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString();
}

export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

/** "registry:5000/a/b:1.4" -> ["registry:5000/a/b", "1.4"]; what is no name but an id has no tag. */
export function splitImage(image: string): [string, string] {
  const [name = "", digest] = image.split("@");
  if (/^sha256$|^[0-9a-f]{12,64}$/.test(name.split(":")[0] ?? "") && !name.includes("/")) return [shortId(image), ""];
  const colon = name.lastIndexOf(":");
  if (colon > name.lastIndexOf("/")) return [name.slice(0, colon), name.slice(colon + 1)];
  return [name, digest ? "" : "latest"];
}

export function countOf(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
