// SPDX-License-Identifier: Apache-2.0
// The service's own options: whether declared containers are kept, another engine, and which images may run.
import { useId, useState } from "preact/hooks";
import { EngineState } from "../external";
import { Field, LoadedPage, Problem } from "../parts";
import { AllowList, Apply, type Change, Draft, Removals, type Rule, type Service, Stops, Unknown, entriesOf, howMany, useService, useTrial } from "../service";

interface RuleKind {
  key: string;
  name: string;
  text: string;
  allowed?: string; // what is allowed by it
}

const RULES: RuleKind[] = [
  { key: "registries", name: "Registries", text: "Images that no allowed registry has served or taken.", allowed: "Hosts, such as registry.example:5000; “local” is what came from no registry." },
  { key: "latest", name: "The tag latest", text: "Images that are asked for by the tag latest, also without saying so." },
  { key: "privileged", name: "Privileged", text: "Privileged containers, and privileged commands in others." },
  { key: "hostNetwork", name: "The host's network", text: "Containers on the network of the device itself." },
  { key: "capabilities", name: "Capabilities", text: "Capabilities beyond the usual 14.", allowed: "Those that are allowed, such as NET_ADMIN." },
];
const MODES: [string, string][] = [
  ["", "not asked"],
  ["deny", "refuse"],
  ["warn", "warn"],
  ["off", "off, but kept"],
];

function RuleField(props: { kind: RuleKind; rule: Rule | undefined; set: (rule: Rule | undefined) => void }) {
  const { kind, rule } = props;
  const id = useId();
  const mode = rule ? (rule.mode ?? "deny") : "";
  return (
    <fieldset>
      <legend>{kind.name}</legend>
      <div class="field">
        <label for={id}>What it does</label>
        <select id={id} value={mode} aria-describedby={`${id}-help`} onChange={(event) => props.set(event.currentTarget.value ? { ...rule, mode: event.currentTarget.value } : undefined)}>
          {MODES.map(([value, name]) => (
            <option value={value}>{name}</option>
          ))}
        </select>
        <small id={`${id}-help`}>{kind.text}</small>
      </div>
      {kind.allowed && rule && <Field label="Allowed" help={`${kind.allowed} With commas between them.`} defaultValue={rule.allowed?.join(", ")} onInput={(event) => props.set({ ...rule, allowed: entriesOf(event.currentTarget.value) })} />}
    </fieldset>
  );
}

/** What differs; a rule that is gone is null. */
function changeOf(base: Service, typed: Service): Change {
  const rules = Object.fromEntries(RULES.map(({ key }) => [key, typed.enforcement.rules[key] ?? null]));
  return { enabled: typed.enabled, engine: typed.engine, enforcement: { ...typed.enforcement, rules: { ...Object.fromEntries(Object.keys(base.enforcement.rules).map((key) => [key, null])), ...rules } } };
}

function Editor(props: { base: Service; take: (service: Service) => void }) {
  const { base } = props;
  const [typed, setTyped] = useState(base);
  const [list, setList] = useState(base.enforcement.allowlist.join("\n"));
  const [isAsking, setAsking] = useState(false);
  const enforce = (part: Partial<Service["enforcement"]>) => setTyped({ ...typed, enforcement: { ...typed.enforcement, ...part } });
  const setRule = (key: string, rule: Rule | undefined) => {
    const { [key]: _before, ...others } = typed.enforcement.rules;
    enforce({ rules: rule ? { ...others, [key]: rule } : others });
  };
  const change = changeOf(base, { ...typed, enforcement: { ...typed.enforcement, allowlist: entriesOf(list) } });
  const { trial, problem } = useTrial(base, change);
  return (
    <form class="settings" onSubmit={(event) => (event.preventDefault(), setAsking(true))}>
      <h2>Declared containers</h2>
      <label class="check">
        <input type="checkbox" checked={typed.enabled} onChange={(event) => setTyped({ ...typed, enabled: event.currentTarget.checked })} /> Keep what is declared
      </label>
      <small>Off: all declared containers are stopped and deleted; their declarations stay.</small>
      <h2>Another engine on this device</h2>
      <Field
        label="Engine's host"
        help="Docker's or podman's socket, as unix:///PATH or tcp://127.0.0.1:PORT. Empty: none."
        placeholder="none"
        autoCapitalize="none"
        spellcheck={false}
        value={typed.engine.url}
        onInput={(event) => setTyped({ ...typed, engine: { url: event.currentTarget.value.trim() } })}
      />
      <EngineState />
      <h2>Enforcement</h2>
      <label class="check">
        <input type="checkbox" checked={typed.enforcement.enabled} onChange={(event) => enforce({ enabled: event.currentTarget.checked })} /> Only images on the list may run
      </label>
      <AllowList text={list} set={setList} />
      <p class="quiet">Rules hold whether the list is on or not. They are asked at each start, and remove nothing; what they refuse of another engine's is stopped whenever it runs.</p>
      {RULES.map((kind) => (
        <RuleField key={kind.key} kind={kind} rule={typed.enforcement.rules[kind.key]} set={(rule) => setRule(kind.key, rule)} />
      ))}
      {problem && <Problem text={problem} />}
      {trial && (
        <>
          <p role="status">{`With these options ${howMany(trial)} would be removed${trial.removals.length ? ":" : "."}`}</p>
          {trial.removals.length > 0 && <Removals label="What these options would remove" rows={trial.removals} empty="" />}
          <Stops trial={trial} />
          <Unknown trial={trial} />
        </>
      )}
      <p class="quiet">
        Kept in <code>{base.status.file}</code>.
      </p>
      <button class="first" disabled={problem !== ""}>
        Apply…
      </button>
      {isAsking && <Apply title="Change the service's options?" base={base} change={change} told="The options were changed" close={() => setAsking(false)} done={props.take} />}
    </form>
  );
}

export function Settings() {
  const loaded = useService();
  return (
    <LoadedPage title="Settings" intro="What kedge does on this device, beside what each container says." loaded={loaded}>
      {(now) => <Draft now={now} reload={loaded.reload}>{(base, take) => <Editor base={base} take={take} />}</Draft>}
    </LoadedPage>
  );
}
