// SPDX-License-Identifier: Apache-2.0
// A command in the container with a terminal, over a websocket.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Screen } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, post } from "./api";
import { Problem } from "./parts";

const SHELLS = ["/bin/sh", "/bin/bash", "/bin/ash"];

interface Running {
  close: () => void;
}

async function begin(place: HTMLElement, id: string, command: string[], user: string, ended: (why: string) => void, leave: () => void): Promise<Running> {
  const screen = new Screen({ cursorBlink: true, fontSize: 14, fontFamily: "ui-monospace, monospace", screenReaderMode: true, convertEol: false });
  const fit = new FitAddon();
  screen.loadAddon(fit);
  const spec = { AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: true, Cmd: command, User: user, Env: ["TERM=xterm-256color"] };
  const { Id } = await post<{ Id: string }>(`/containers/${id}/exec`, spec);
  screen.open(place);
  fit.fit();
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/kedge/v1/exec/${Id}/ws?h=${screen.rows}&w=${screen.cols}`);
  socket.binaryType = "arraybuffer";
  const encoder = new TextEncoder();
  const early: Uint8Array[] = []; // typed before the connection was there
  const send = (bytes: Uint8Array) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
    else if (socket.readyState === WebSocket.CONNECTING) early.push(bytes);
  };
  const resize = () => void post(`/exec/${Id}/resize?h=${screen.rows}&w=${screen.cols}`).catch(() => undefined);
  const { rows, cols } = screen;
  socket.onopen = () => {
    early.forEach(send);
    if (rows !== screen.rows || cols !== screen.cols) resize();
    screen.focus();
  };
  socket.onmessage = (event) => screen.write(new Uint8Array(event.data as ArrayBuffer));
  socket.onclose = (event) => ended(event.code === 1000 ? "The command has ended." : "The connection to the command broke off.");
  screen.attachCustomKeyEventHandler((event) => event.key !== "F6" || (screen.blur(), leave(), false));
  screen.onData((text) => send(encoder.encode(text)));
  screen.onBinary((text) => send(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  screen.onResize(resize);
  const sizes = new ResizeObserver(() => fit.fit());
  sizes.observe(place);
  return {
    close: () => {
      sizes.disconnect();
      socket.onclose = null;
      socket.close();
      screen.dispose();
    },
  };
}

export function Terminal(props: { id: string; runs: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const running = useRef<Running>();
  const [isOpen, setOpen] = useState(false);
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  useEffect(() => () => running.current?.close(), []);

  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement);
    const command = String(typed.get("command")).trim().split(/\s+/);
    running.current?.close();
    setProblem("");
    setSaid("");
    setOpen(true);
    try {
      running.current = await begin(place.current!, props.id, command, String(typed.get("user")).trim(), (why) => {
        setSaid(why);
        setOpen(false);
      }, () => document.querySelector<HTMLElement>("[role=tab][aria-selected=true]")?.focus());
    } catch (error) {
      setProblem(messageOf(error));
      setOpen(false);
    }
  };

  if (!props.runs && !isOpen && !said) return <p class="empty">The container does not run: there is no terminal in it.</p>;
  return (
    <>
      <form class="row tools" onSubmit={start}>
        <label class="check">
          Command <input name="command" list="shells" defaultValue="/bin/sh" required />
        </label>
        <datalist id="shells">
          {SHELLS.map((shell) => (
            <option value={shell} />
          ))}
        </datalist>
        <label class="check">
          User <input name="user" placeholder="the container's" size={12} />
        </label>
        <button class="first" disabled={isOpen}>
          Open
        </button>
        <span class="quiet" role="status">
          {said}
        </span>
      </form>
      {problem && <Problem text={problem} />}
      <div class="tty" ref={place} />
      <p class="quiet">F6 leaves the terminal by the keyboard.</p>
    </>
  );
}
