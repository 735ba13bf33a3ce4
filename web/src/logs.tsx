// SPDX-License-Identifier: Apache-2.0
// A container's log as it is written, with a search. So many lines are kept, the newest ones.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { messageOf, stream } from "./api";
import { Problem } from "./parts";
import { useConnection } from "./use";

const KEPT = 5000;
const TAILS = ["100", "1000", "5000"];

interface Line {
  number: number;
  time: string;
  text: string;
  isError: boolean;
}

/** Takes frames apart (docker's multiplexed streams; a terminal's log has none), then lines. */
export class LogReader {
  private bytes = new Uint8Array(0);
  private rest = ["", "", ""];
  private decoders = [new TextDecoder(), new TextDecoder(), new TextDecoder()];
  private count = 0;

  constructor(private readonly isFramed: boolean) {}

  add(piece: Uint8Array): Line[] {
    if (!this.isFramed) return this.text(1, piece);
    const all = new Uint8Array(this.bytes.length + piece.length);
    all.set(this.bytes);
    all.set(piece, this.bytes.length);
    const lines: Line[] = [];
    let at = 0;
    while (at + 8 <= all.length) {
      const size = new DataView(all.buffer, at + 4, 4).getUint32(0);
      if (at + 8 + size > all.length) break;
      lines.push(...this.text(all[at]!, all.subarray(at + 8, at + 8 + size)));
      at += 8 + size;
    }
    this.bytes = all.slice(at);
    return lines;
  }

  private text(source: number, piece: Uint8Array): Line[] {
    const which = source === 2 ? 2 : 1;
    const parts = (this.rest[which] + this.decoders[which]!.decode(piece, { stream: true })).split("\n");
    this.rest[which] = parts.pop() ?? "";
    return parts.map((part) => {
      const blank = part.indexOf(" ");
      // eslint-disable-next-line no-control-regex
      const text = part.slice(blank + 1).replace(/\r$/, "").replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
      return { number: ++this.count, time: part.slice(0, blank), text, isError: which === 2 };
    });
  }
}

function Marked(props: { text: string; search: string }) {
  if (!props.search) return <>{props.text}</>;
  const parts: preact.ComponentChildren[] = [];
  const lower = props.text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(props.search); at >= 0; at = lower.indexOf(props.search, from)) {
    parts.push(props.text.slice(from, at), <mark>{props.text.slice(at, at + props.search.length)}</mark>);
    from = at + props.search.length;
  }
  return <>{[...parts, props.text.slice(from)]}</>;
}

export function Logs(props: { id: string; name: string; isTerminal: boolean; startedAt: string }) {
  const [lines, setLines] = useState<Line[]>([]);
  const [problem, setProblem] = useState("");
  const [search, setSearch] = useState("");
  const [tail, setTail] = useState("1000");
  const [follows, setFollows] = useState(true);
  const [hasTimes, setTimes] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const connection = useConnection();

  useEffect(() => {
    if (connection !== "ok") return undefined;
    const ends = new AbortController();
    const reader = new LogReader(!props.isTerminal);
    let fresh: Line[] = [];
    let drawing = 0;
    const draw = () => {
      drawing = 0;
      const added = fresh;
      fresh = [];
      setLines((before) => [...before, ...added].slice(-KEPT));
    };
    setLines([]);
    setProblem("");
    stream(`/containers/${props.id}/logs?stdout=1&stderr=1&timestamps=1&follow=1&tail=${tail}`, { signal: ends.signal }, (piece) => {
      fresh.push(...reader.add(piece));
      if (!drawing && fresh.length) drawing = requestAnimationFrame(draw);
    }).catch((error) => ends.signal.aborted || setProblem(messageOf(error)));
    return () => {
      ends.abort();
      cancelAnimationFrame(drawing);
    };
  }, [props.id, tail, connection, props.startedAt]);

  const wanted = search.toLowerCase();
  const shown = wanted ? lines.filter((line) => line.text.toLowerCase().includes(wanted)) : lines;
  // Together with the lines, not after them: whoever scrolls in between would be taken back to the end.
  useLayoutEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.length, lines[lines.length - 1]?.number, follows]);
  const scrolled = () => {
    const at = box.current!;
    const isAtEnd = at.scrollHeight - at.scrollTop - at.clientHeight < 24;
    if (isAtEnd !== follows) setFollows(isAtEnd);
  };

  return (
    <>
      <div class="row tools">
        <input type="search" aria-label="Search the log" placeholder="Search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        <span class="quiet" role="status">{wanted ? `${shown.length} of ${lines.length} lines` : `${lines.length} lines`}</span>
        <label class="check">
          <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.currentTarget.checked)} /> Follow
        </label>
        <label class="check">
          <input type="checkbox" checked={hasTimes} onChange={(event) => setTimes(event.currentTarget.checked)} /> Times
        </label>
        <label class="check">
          Last
          <select value={tail} onChange={(event) => setTail(event.currentTarget.value)}>
            {TAILS.map((one) => (
              <option>{one}</option>
            ))}
          </select>
          lines
        </label>
      </div>
      {problem && <Problem text={problem} />}
      <div class="log" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-label={`Log of ${props.name}`}>
        {shown.map((line) => (
          <div key={line.number} class={line.isError ? "stderr" : undefined}>
            {hasTimes && <time>{line.time.slice(0, 19).replace("T", " ")} </time>}
            <Marked text={line.text} search={wanted} />
          </div>
        ))}
        {lines.length === 0 && !problem && <div class="quiet">Nothing was written yet.</div>}
      </div>
    </>
  );
}
