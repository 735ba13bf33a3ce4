// SPDX-License-Identifier: Apache-2.0
// A form out of a JSON Schema: every property with what it is for. What is typed becomes a document that has only what is not the default.
import { useId, useState } from "preact/hooks";

export interface Schema {
  type?: string | string[];
  enum?: string[];
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  format?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  additionalProperties?: boolean | Schema;
}

export type Document = Record<string, unknown>;

type Kind = "choice" | "switch" | "number" | "text" | "lines" | "part";

function types(schema: Schema): string[] {
  return schema.anyOf ? schema.anyOf.flatMap(types) : schema.type === undefined ? [] : [schema.type].flat();
}

export function kindOf(schema: Schema): Kind {
  const all = types(schema);
  if (schema.enum) return "choice";
  if (all.includes("array") || (all.includes("object") && !schema.properties)) return "lines";
  if (all.includes("object")) return "part";
  if (all.length === 1 && all[0] === "boolean") return "switch";
  return all.length === 1 && all[0] === "integer" ? "number" : "text";
}

/** One entry a line; what has parts of its own is JSON, as it came. */
export function linesOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join("\n");
  if (typeof value !== "object") return String(value);
  const parts = Object.entries(value);
  if (parts.every(([, one]) => typeof one !== "object" || one === null)) return parts.map(([key, one]) => (one === null ? key : `${key}=${one}`)).join("\n");
  return JSON.stringify(value, null, 2);
}

/** The other way; a SyntaxError where JSON was begun and is none. */
export function readLines(text: string, schema: Schema): unknown {
  const whole = text.trim();
  if (!whole) return undefined;
  const all = types(schema);
  if (whole.startsWith("[") || (whole.startsWith("{") && all.includes("object") && !/^\{.*\}$/m.test(whole.split("\n")[0]!)) || (whole.startsWith("{") && !all.includes("array"))) return JSON.parse(whole);
  const lines = whole.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!all.includes("array"))
    return Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf("=");
        return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  return lines.map((line) => (line.startsWith("{") ? JSON.parse(line) : line));
}

/** What can be said without asking kedged; "" where nothing is wrong. */
export function complaintOf(value: unknown, schema: Schema, isRequired: boolean): string {
  if (value === undefined || value === "") return isRequired ? "It must be given" : "";
  if (kindOf(schema) === "number") {
    const number = Number(value);
    if (!Number.isInteger(number)) return "It must be a whole number";
    if (schema.minimum !== undefined && number < schema.minimum) return `It must be at least ${schema.minimum}`;
    if (schema.maximum !== undefined && number > schema.maximum) return `It must be at most ${schema.maximum}`;
  }
  return "";
}

interface InputProps {
  name: string;
  schema: Schema;
  value: unknown;
  isRequired: boolean;
  isFixed?: boolean;
  problem?: string;
  change: (value: unknown) => void;
}

function Control(props: InputProps & { id: string; describedBy: string }) {
  const { schema, value, id } = props;
  const common = { id, "aria-describedby": props.describedBy, "aria-invalid": props.problem ? true : undefined, disabled: props.isFixed };
  const shown = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const standard = schema.default === undefined ? "" : String(schema.default);
  switch (kindOf(schema)) {
    case "choice":
      return (
        <select {...common} value={shown || standard} onChange={(event) => props.change(event.currentTarget.value === standard ? undefined : event.currentTarget.value)}>
          {schema.default === undefined && <option value="" />}
          {schema.enum!.map((one) => (
            <option>{one}</option>
          ))}
        </select>
      );
    case "switch":
      return <input {...common} type="checkbox" checked={value === undefined ? schema.default === true : value === true} onChange={(event) => props.change(event.currentTarget.checked === (schema.default === true) ? undefined : event.currentTarget.checked)} />;
    case "lines":
      return (
        <textarea
          {...common}
          key={props.isFixed ? "fixed" : "free"}
          rows={Math.min(8, Math.max(2, linesOf(value).split("\n").length))}
          defaultValue={linesOf(value)}
          spellcheck={false}
          placeholder="one a line"
          onInput={(event) => {
            try {
              props.change(readLines(event.currentTarget.value, schema));
              event.currentTarget.setCustomValidity("");
            } catch {
              event.currentTarget.setCustomValidity("This is no JSON yet");
            }
          }}
        />
      );
    case "number":
      return <input {...common} inputMode="numeric" value={shown} placeholder={standard} onInput={(event) => props.change(event.currentTarget.value === "" ? undefined : Number.isNaN(Number(event.currentTarget.value)) ? event.currentTarget.value : Number(event.currentTarget.value))} />;
    default:
      return <input {...common} type={/password/i.test(props.name) ? "password" : "text"} autoComplete="off" autoCapitalize="none" spellcheck={false} value={shown} placeholder={standard} required={props.isRequired} onInput={(event) => props.change(event.currentTarget.value || undefined)} />;
  }
}

export function Property(props: InputProps) {
  const id = useId();
  const [isTouched, setTouched] = useState(false);
  const { schema } = props;
  if (kindOf(schema) === "part") {
    const value = (props.value ?? {}) as Document;
    const set = (key: string, next: unknown) => {
      const changed = { ...value, [key]: next };
      if (next === undefined) delete changed[key];
      props.change(Object.keys(changed).length ? changed : undefined);
    };
    return (
      <fieldset>
        <legend>{props.name}</legend>
        <small>{schema.description}</small>
        {props.problem && <p class="complaint">{props.problem}</p>}
        {Object.entries(schema.properties!).map(([key, part]) => (
          <Property key={key} name={key} schema={part} value={value[key]} isRequired={false} change={(next) => set(key, next)} />
        ))}
      </fieldset>
    );
  }
  const problem = complaintOf(props.value, schema, props.isRequired && isTouched) || props.problem;
  const change = (value: unknown) => {
    setTouched(true);
    props.change(value);
  };
  return (
    <div class={`field${problem ? " wrong" : ""}`}>
      <label for={id}>{props.name}</label>
      <Control {...props} change={change} problem={problem} id={id} describedBy={`${id}-help`} />
      <small id={`${id}-help`}>
        {problem && <strong class="complaint">{problem}. </strong>}
        {schema.description}
        {schema.default !== undefined && `. Without it: ${schema.default}`}
      </small>
    </div>
  );
}
