// SPDX-License-Identifier: Apache-2.0
// What pages are made of: data that follows what happens, addresses, and one line that tells what has come of a click.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { connectionState, messageOf, watchConnection } from "./api";
import { type Happening, listen } from "./events";

export function useConnection() {
  const [state, set] = useState(connectionState());
  useEffect(() => {
    const changed = () => set(connectionState());
    changed(); // what happened before anybody watched
    return watchConnection(changed);
  }, []);
  return state;
}

export interface Loaded<T> {
  data?: T;
  problem?: string;
  reload: () => Promise<void>;
}

/** Loads once, and again when it is told to: no answer takes the place of a later one's. */
export function useLoad<T>(load: () => Promise<T>, key = ""): Loaded<T> {
  const [data, setData] = useState<T>();
  const [problem, setProblem] = useState<string>();
  const round = useRef(0);
  const reload = useCallback(async () => {
    const own = ++round.current;
    try {
      const next = await load();
      if (own !== round.current) return;
      setData(next);
      setProblem(undefined);
    } catch (error) {
      if (own === round.current) setProblem(messageOf(error));
    }
  }, [key]);
  useEffect(() => {
    setData(undefined);
    setProblem(undefined);
    reload();
    return () => {
      round.current++;
    };
  }, [key]);
  return { data, problem, reload };
}

/** Loads, and loads again after events of these types; what comes in a burst is one reason. */
export function useData<T>(load: () => Promise<T>, types: string[], key = "", wanted: (event: Happening) => boolean = () => true): Loaded<T> {
  const loaded = useLoad(load, key);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const leave = listen((event) => {
      if (event && (!types.includes(event.Type) || event.Action.startsWith("exec_") || !wanted(event))) return;
      clearTimeout(timer);
      timer = setTimeout(loaded.reload, event ? 100 : 0);
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [key]);
  return loaded;
}

/** For what no event tells of, while it is under way and somebody looks; an answer that is slow is waited for. */
export function usePoll(reload: () => Promise<void>, isUnderWay: boolean, pauseMs = 1000) {
  useEffect(() => {
    if (!isUnderWay) return undefined;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      timer = setTimeout(async () => {
        if (!document.hidden) await reload();
        if (!isOver) wait();
      }, pauseMs);
    };
    wait();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [isUnderWay, reload]);
}

/** "#/containers/abc" -> ["containers", "abc"] */
export function useAddress(): string[] {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const changed = () => set(location.hash);
    addEventListener("hashchange", changed);
    changed(); // what happened before anybody listened
    return () => removeEventListener("hashchange", changed);
  }, []);
  return hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
}

export interface Note {
  text: string;
  isBad: boolean;
  count: number;
}

const noteWatchers = new Set<(note: Note) => void>();
let noteCount = 0;

export function tell(text: string, isBad = false) {
  noteWatchers.forEach((call) => call({ text, isBad, count: ++noteCount }));
}

export function useNote(): [Note | undefined, () => void] {
  const [note, set] = useState<Note>();
  useEffect(() => {
    noteWatchers.add(set);
    return () => {
      noteWatchers.delete(set);
    };
  }, []);
  useEffect(() => {
    if (!note || note.isBad) return;
    const timer = setTimeout(() => set(undefined), 5000);
    return () => clearTimeout(timer);
  }, [note?.count]);
  return [note, () => set(undefined)];
}

/** Does one thing at a time and tells what came of it. */
export function useAction(): [string | undefined, (name: string, work: () => Promise<unknown>, done?: string) => Promise<boolean>] {
  const [busy, setBusy] = useState<string>();
  const act = useCallback(async (name: string, work: () => Promise<unknown>, done?: string) => {
    setBusy(name);
    try {
      await work();
      if (done) tell(done);
      return true;
    } catch (error) {
      tell(messageOf(error), true);
      return false;
    } finally {
      setBusy(undefined);
    }
  }, []);
  return [busy, act];
}
