// SPDX-License-Identifier: Apache-2.0
// The form of declared containers, as it is published.
import text from "../containers.schema.json";
import type { Schema } from "./form";

export const schema = text as unknown as Schema;
