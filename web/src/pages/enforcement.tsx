// SPDX-License-Identifier: Apache-2.0
// The images that may run, and what was removed because it may not.
import { useState } from "preact/hooks";
import { call } from "../api";
import { PAUSE_MS } from "../external";
import { Await, Mark, Page, Problem } from "../parts";
import { AllowList, Apply, Draft, type Removal, Removals, type Service, Unknown, entriesOf, howMany, useService, useTrial } from "../service";
import { useData, usePoll } from "../use";
import { countOf } from "../words";

function Editor(props: { base: Service; take: (service: Service) => void }) {
  const { enforcement, status } = props.base;
  const [text, setText] = useState(enforcement.allowlist.join("\n"));
  const [enabled, setEnabled] = useState(enforcement.enabled);
  const [isAsking, setAsking] = useState(false);
  const allowlist = entriesOf(text);
  const { trial, problem } = useTrial(props.base, { enforcement: { enabled: true, allowlist } });
  return (
    <div class="settings">
      <p>
        <Mark kind={enforcement.enabled ? "good" : "off"}>{enforcement.enabled ? "on" : "off"}</Mark> {enforcement.enabled ? "" : "Every image may run. Where it is on, "}
        {countOf(status.allowed, "digest")} may run, of which declared containers pin {status.pinned}. Kept in{" "}
        <code>{status.file}</code>.
      </p>
      <label class="check">
        <input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} /> Only images on the list may run
      </label>
      <AllowList text={text} set={setText} />
      {problem && <Problem text={problem} />}
      {trial && (
        <>
          <p role="status">With this list {howMany(trial)} would be removed.</p>
          <Unknown trial={trial} />
        </>
      )}
      <button class="first" disabled={problem !== ""} onClick={() => setAsking(true)}>
        Apply…
      </button>
      {isAsking && (
        <Apply
          title={enabled ? "Let only these images run?" : "Let every image run?"}
          base={props.base}
          change={{ enforcement: { enabled, allowlist } }}
          told="The allow-list was changed"
          close={() => setAsking(false)}
          done={props.take}
        >
          {!enabled && <p>Every image may run.</p>}
        </Apply>
      )}
    </div>
  );
}

export function EnforcementPage() {
  const { data, problem, reload } = useService();
  const removed = useData(() => call<{ removals: Removal[] }>("/kedge/v1/enforcement/removed"), ["container"]);
  usePoll(removed.reload, Boolean(data?.engine.url), PAUSE_MS); // no event tells of that engine's
  return (
    <Page title="Allow-list" intro="Where it is on, only images with these digests ever run, whoever starts them.">
      <Await data={data} problem={problem}>
        {(now) => <Draft now={now} reload={reload}>{(base, take) => <Editor base={base} take={take} />}</Draft>}
      </Await>
      <h2>What was removed</h2>
      <Await data={removed.data} problem={removed.problem}>
        {({ removals }) => <Removals label="What was removed" rows={removals} empty="Nothing was removed." />}
      </Await>
    </Page>
  );
}
