/** How the soul is, in a word and a form. */

/**
 * Return `state` (of the orb), `key` and `values` of the text, and `name` of the soul.
 *
 * States are the daemon's, and `offline` and `none`: no body is loaded.
 */
export function presenceOf(model) {
  const name = model.soul?.name ?? "Bit-TTT";
  if (!model.isUp) return { state: "offline", key: "state.offline", values: {}, name };
  const state = model.status.state;
  if (state !== "idle") return { state, key: `state.${state}`, values: {}, name };
  if (model.soul?.problem) return { state: "idle", key: "state.problem", values: {}, name };
  const level = model.soul?.level ?? 0;
  if (!model.body) return { state: "none", key: "state.none", values: { level }, name };
  return { state: "idle", key: "state.idle", values: { level }, name };
}
