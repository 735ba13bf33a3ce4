// SPDX-License-Identifier: Apache-2.0
// What a container is, in words and colours.
import type { ContainerSummary, ImageSummary, Port } from "./types";
import { Mark } from "./parts";

export function nameOf(container: ContainerSummary): string {
  return (container.Names[0] ?? container.Id.slice(0, 12)).replace(/^\//, "");
}

export function State(props: { state: string }) {
  const kind = props.state === "running" ? "good" : props.state === "restarting" || props.state === "paused" ? "wait" : props.state === "dead" ? "bad" : "off";
  return <Mark kind={kind}>{props.state}</Mark>;
}

export function healthOf(status: string): string {
  return /\((healthy|unhealthy|health: starting)\)/.exec(status)?.[1]?.replace("health: ", "") ?? "";
}

export function Health(props: { health: string }) {
  if (!props.health || props.health === "none") return <span class="quiet">–</span>;
  return <Mark kind={props.health === "healthy" ? "good" : props.health === "unhealthy" ? "bad" : "wait"}>{props.health}</Mark>;
}

export function managerOf(labels: Record<string, string>): string {
  if (labels["kedge.declared"]) return "kedge";
  if (labels["com.docker.compose.project"]) return `compose: ${labels["com.docker.compose.project"]}`;
  return "";
}

/** What is listened at, once for both families. */
export function portsOf(ports: Port[]): string[] {
  const words = ports.map((port) => {
    const inner = port.Type === "tcp" ? String(port.PrivatePort) : `${port.PrivatePort}/${port.Type}`;
    if (!port.PublicPort) return inner;
    const at = port.IP && !["0.0.0.0", "::"].includes(port.IP) ? `${port.IP.includes(":") ? `[${port.IP}]` : port.IP}:` : "";
    return `${at}${port.PublicPort}→${inner}`;
  });
  return [...new Set(words)];
}

export function digestOf(image: ImageSummary | undefined): string | undefined {
  return image?.RepoDigests?.[0]?.split("@")[1] ?? undefined;
}
