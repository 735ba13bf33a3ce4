// SPDX-License-Identifier: Apache-2.0
// Before a container is deleted: what of its data goes along, and what stays.
import { useState } from "preact/hooks";
import { call, remove } from "./api";
import { Await, Confirm } from "./parts";
import type { ContainerDetails, MountPoint } from "./types";
import { useData } from "./use";
import { bytes } from "./words";

function isNameless(mount: MountPoint): boolean {
  return mount.Type === "volume" && /^[0-9a-f]{64}$/.test(mount.Name ?? "");
}

function Losses(props: { container: ContainerDetails; withVolumes: boolean }) {
  const mounts = props.container.Mounts;
  const nameless = mounts.filter(isNameless);
  const kept = mounts.filter((mount) => !isNameless(mount) && mount.Type !== "tmpfs");
  return (
    <>
      <p>This is lost for good:</p>
      <ul>
        {props.container.State.Running && <li>the container runs, and is killed</li>}
        <li>what it has written into its own files: {bytes(props.container.SizeRw ?? 0)}</li>
        <li>its log</li>
        {props.withVolumes && nameless.map((mount) => <li>what is in {mount.Destination}, a volume without a name</li>)}
      </ul>
      {(kept.length > 0 || (nameless.length > 0 && !props.withVolumes)) && (
        <>
          <p>This stays:</p>
          <ul>
            {kept.map((mount) => (
              <li>
                {mount.Destination}, which is {mount.Type === "volume" ? `volume ${mount.Name}` : mount.Source}
              </li>
            ))}
            {!props.withVolumes && nameless.map((mount) => <li>{mount.Destination}, a volume without a name</li>)}
          </ul>
        </>
      )}
    </>
  );
}

export function Delete(props: { id: string; name: string; close: () => void; done: () => void }) {
  const { data, problem } = useData(() => call<ContainerDetails>(`/containers/${props.id}/json?size=1`), [], props.id);
  const [withVolumes, setWithVolumes] = useState(true);
  const declared = data?.Config.Labels?.["kedge.declared"];
  return (
    <Confirm
      title={`Delete ${props.name}?`}
      verb="Delete"
      isWaiting={!data}
      work={() => remove(`/containers/${props.id}?force=1&v=${withVolumes ? 1 : 0}`)}
      told={`${props.name} was deleted`}
      close={props.close}
      after={props.done}
    >
      <Await data={data} problem={problem}>
        {(container) => (
          <>
            {declared && <p class="problem">It is declared as “{declared}”: kedge makes it again, without this data. To be rid of it, delete its declaration.</p>}
            <Losses container={container} withVolumes={withVolumes} />
            {container.Mounts.some(isNameless) && (
              <label class="check">
                <input type="checkbox" checked={withVolumes} onChange={(event) => setWithVolumes(event.currentTarget.checked)} />
                Delete volumes without a name as well
              </label>
            )}
          </>
        )}
      </Await>
    </Confirm>
  );
}
