// SPDX-License-Identifier: Apache-2.0
// Who is there. On kedged's own socket, and with a client certificate, nobody has to log in.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, lock, messageOf, post, setGuard, unlock } from "./api";
import { useConnection } from "./use";

export interface SessionView {
  User: string;
  Guard: string;
  Needed: boolean;
}

let known: SessionView | undefined;
const watchers = new Set<() => void>();

function remember(session: SessionView) {
  known = session;
  setGuard(session.Guard);
  watchers.forEach((watch) => watch());
}

export function useSession(): SessionView | undefined {
  const [, draw] = useState(0);
  const state = useConnection();
  useEffect(() => {
    const watch = () => draw((count) => count + 1);
    watchers.add(watch);
    return () => {
      watchers.delete(watch);
    };
  }, []);
  useEffect(() => {
    if (known || state === "lost") return;
    call<SessionView>("/kedge/v1/session").then(remember, (error) => {
      if (error instanceof ApiError && error.status === 401) {
        lock();
        remember({ User: "", Guard: "", Needed: true });
      } else if (error instanceof ApiError && error.status === 404) {
        remember({ User: "", Guard: "", Needed: false });
      }
    });
  }, [state]);
  return known;
}

export function Login() {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const typed = new FormData(form);
    setBusy(true);
    try {
      remember(await post<SessionView>("/kedge/v1/login", { User: typed.get("user"), Password: typed.get("password") }));
      unlock();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
      form.querySelector<HTMLInputElement>("input[type=password]")?.select();
    }
  };
  useEffect(() => {
    document.title = "Log in · kedge";
  }, []);
  return (
    <main class="login">
      <form onSubmit={enter}>
        <h1>
          <img src="/favicon.svg" alt="" width="36" height="36" /> kedge
        </h1>
        <label>
          User
          <input name="user" autoComplete="username" autoCapitalize="none" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <button class="first" disabled={isBusy}>
          {isBusy ? "Looking…" : "Log in"}
        </button>
      </form>
    </main>
  );
}

export function Session(props: { session: SessionView }) {
  if (!props.session.User) return null;
  const leave = async () => {
    await post("/kedge/v1/logout").catch(() => undefined);
    setGuard("");
    lock();
  };
  return (
    <div class="session">
      <span>{props.session.User}</span>
      {props.session.Needed && <button onClick={leave}>Log out</button>}
    </div>
  );
}
