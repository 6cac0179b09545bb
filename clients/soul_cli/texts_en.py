"""The texts in English."""

from __future__ import annotations

TEXTS = {
    "yes": "yes",
    "no": "no",
    # help
    "help.commands": "Commands",
    "help.exits": "Exit codes",
    "command": "Talk with a body, and control the daemon that owns it. Without a command: chat.",
    "command.chat": "Talk; at a terminal with history and commands, else line by line.",
    "command.ask": "Say TEXT ('-': what stdin holds) and print the reply.",
    "command.sessions": "List the conversations in the diary, or print the one named.",
    "command.body": "Bodies: list, fetch, load and describe them.",
    "command.body.list": "List the bodies in models/.",
    "command.body.catalog": "List well-known bodies that can be pulled by name.",
    "command.body.pull": (
        "Fetch SOURCE: a name of the catalog, hf:org/name, a folder or a .gguf file.\n\n"
        "Without SOURCE, the one suggested for this machine."
    ),
    "command.body.load": "Load a body (the configured one by default); it answers from now on.",
    "command.body.unload": "Give the memory of the loaded body back.",
    "command.body.info": "Say what a body is and what memory it takes; nothing is loaded.",
    "command.souls": "List the souls; the one in use has a star.",
    "command.use": "Use the soul NAME from now on; the one that is left is saved.",
    "command.new": "Begin an empty soul called NAME, and use it.",
    "command.save": (
        "Save the soul in use now; with NAME, make a copy of that name too.\n\n"
        "It is saved by itself as well: every few minutes, and whenever it is left."
    ),
    "command.load": (
        "Use a soul by its NAME, or take a .soul FILE in and use that.\n\n"
        "All of it is loaded or nothing; a soul of another body is refused."
    ),
    "command.history": "List the saved states of a soul (the one in use by default).",
    "command.undo": (
        "Go back N saved states (1 by default).\n\n"
        "The state that is left is kept too: 'soul history' lists it, 'soul undo --to G' returns."
    ),
    "command.diff": (
        "Compare the souls A and B: how far each layer has changed, and what they answer.\n\n"
        "NAME@G is a saved state of a soul, '-' the bare body. Without B it is the soul in use; "
        "where A is that, the bare body is compared with it."
    ),
    "command.why": (
        "Say which nights, and which records of the diary, made an answer to QUESTION likelier.\n\n"
        "It is what the soul says in an empty context, or --answer. A record counts by how much "
        "likelier the bare body finds the answer where it reads the record before the question: "
        "it explains the answer, and is no proof that nothing else taught it."
    ),
    "command.reset": (
        "Let the soul in use forget all it has learned.\n\n"
        "'soul undo' brings it back. The diary keeps what was said; it is not learned again."
    ),
    "command.export": (
        "Copy a soul (the one in use by default) to FILE, NAME.soul by default.\n\n"
        "One argument is a FILE if it has a slash or ends with .soul, else a NAME."
    ),
    "command.import": "Take the soul of FILE in, by its own name or another; it is not used yet.",
    "command.verify": "Check every bit of a .soul FILE, and say what it is.",
    "command.sleep": (
        "Let the soul in use go over what it was told, as dreams.\n\n"
        "It sits an exam in wordings it never dreamt; what does not pass is rolled back. You can "
        "talk meanwhile; 'soul wake' ends the night early, and what passes is kept."
    ),
    "command.wake": "Wake the soul that is asleep; what was dreamt so far is kept if it passes.",
    "command.report": "Show what came of the last night.",
    "command.exam": (
        "Ask the questions of FILE, a persona or a general quiz, and score the answers.\n\n"
        "Each is asked on its own: empty context, greedy, off the record. It ends with an error if "
        "an accepted answer is in a prompt. Default: after the last night. Of a .txt file "
        "(a paragraph a line) it measures the perplexity, and of a persona's held-out phrases, as "
        "plain text too. The controls ask the bare body the same. What was said before is learned "
        "first."
    ),
    "command.rehearse": (
        "Say what the persona of FILE says on the day before night N, as a user would.\n\n"
        "These are real turns: they are kept in the diary, and learned."
    ),
    "command.up": "Start the daemon if it does not run.",
    "command.down": "End the daemon; what it is saying is kept.",
    "command.restart": "End the daemon if it runs, and start it.",
    "command.status": "Say what the daemon does.",
    "command.stop": "Stop the request ID (its beginning will do), or everything that runs.",
    "command.logs": "Print the end of the daemon's log; it need not run.",
    "command.events": "Print what happens, as it happens.",
    "command.config": "The settings: check them, or show what is in force.",
    "command.config.check": "Say whether the config is good, and if not, what is wrong.",
    "command.config.show": "Print what is in force, defaults included.",
    "option.help": "Show this and end.",
    "option.version": "Show the version and end.",
    "option.config": "The config.yaml to use.",
    "option.is_json": "Print JSON.",
    "option.language": "Language of the texts.",
    "option.dry_run": "Only say what would be done; change nothing.",
    "option.session": "The conversation to go on with; a new one by default.",
    "option.is_continued": "Go on with the last conversation.",
    "option.system": "System prompt instead of the configured one.",
    "option.temp": "Temperature; 0 takes the likeliest token.",
    "option.greedy": "Always the likeliest token, no repetition penalty.",
    "option.max_tokens": "Longest reply, in tokens.",
    "option.top_k": "Draw from the N likeliest tokens; 0: from all.",
    "option.top_p": "Draw from the likeliest tokens that make up X.",
    "option.min_p": "Leave out tokens less likely than X of the likeliest.",
    "option.repetition_penalty": "Make tokens said lately less likely; 1: off.",
    "option.seed": "The same number makes the same reply.",
    "option.stop": "End the reply before this text; may be given more than once.",
    "option.off_record": "Keep it out of the diary; learn nothing of it.",
    "option.deadline": "Stop the reply after this time.",
    "option.night": "Which night of the persona, from 1.",
    "option.no_controls": "Leave out the controls, each of which takes as long again.",
    "option.idle": "How long to wait after each line, for the soul to learn.",
    "option.timeout": "How long to wait for the daemon to end.",
    "option.safe_mode": "Start the daemon without any plugin.",
    "up.safe_mode": "it runs already, with plugins; 'soul restart --safe-mode' ends it first",
    "option.follow": "Go on with what comes.",
    "option.lines": "How many lines to begin with.",
    "option.name": "What to call it in models/.",
    "option.replace": "Replace a body of that name.",
    "option.soul_name": "What to call it here.",
    "option.replaces_file": "Replace a file of that name.",
    "option.to": "The saved state to go back to, as 'soul history' numbers them.",
    "option.ask": "A question for both, instead of the usual ones; may be given more than once.",
    "option.answer": "The answer that is meant, instead of the soul's own.",
    "option.no_wait": "Do not wait until the soul has learned what was said to it.",
    "option.is_waiting": "Stay until it is over; Ctrl-C stops it, and the soul is as it was.",
    "option.yes": "Do not ask.",
    "exit.OK": "done",
    "exit.FAILED": "the daemon answered with an error",
    "exit.USAGE": "wrong usage",
    "exit.NOT_RUNNING": "no daemon runs",
    "exit.CANNOT_START": "the daemon cannot be started",
    "exit.LOST": "the daemon went away or fell silent",
    "exit.CONFIG": "the config is missing or wrong",
    "exit.INTERRUPTED": "stopped, by Ctrl-C or 'soul stop'",
    "exit.PIPE_CLOSED": "nobody reads what is printed",
    # what went wrong
    "hint.usage": "'{command} --help' says how.",
    "hint.NOT_RUNNING": "Start it with 'soul up'.",
    "hint.LOST": "'soul status' says whether it runs, 'soul logs' what happened.",
    "usage.session": "{value!r} is no session id: letters, digits, '.', '_' and '-', at most 64.",
    "usage.empty": "there is nothing to say",
    "usage.session_and_continue": "--session and --continue exclude each other.",
    "usage.night": "there is no night {night}: the persona has {count}.",
    "usage.night_of_quiz": "only a persona has nights.",
    "usage.quiz_says_nothing": "{file} is no persona: there is nothing in it to say.",
    "usage.steps_and_to": "N and --to exclude each other.",
    "usage.reset": "without a terminal to ask on, it takes --yes to make a soul forget.",
    "usage.export": "at most a NAME and a FILE.",
    "error.bad_request": "bad request",
    "error.unknown_method": "unknown method",
    "error.protocol_mismatch": "protocol mismatch",
    "error.too_large": "too large",
    "error.prompt_too_long": "the message is too long",
    "error.busy": "busy",
    "error.not_found": "not found",
    "error.body_invalid": "the body cannot be used",
    "error.body_missing": "the body is missing",
    "error.soul_invalid": "the soul file cannot be used",
    "error.soul_mismatch": "the soul belongs to another body",
    "error.no_memory": "not enough memory",
    "error.device_unavailable": "the device is not available",
    "error.engine_died": "the engine died",
    "error.storage": "writing failed",
    "error.deadline": "the time was up",
    "error.cancelled": "stopped",
    "error.shutting_down": "the daemon is ending",
    "error.slow_client": "the replies were not read in time",
    "error.pull_failed": "the body could not be fetched",
    "error.internal": "a fault in the daemon",
    # what is waited for
    "stage.starting": "starting the daemon",
    "stage.ending": "waiting for the daemon to end",
    "stage.queued": "waiting, {position} before",
    "stage.waiting": "waiting",
    "stage.loading": "loading the body",
    "stage.prefill": "reading",
    "stage.imprinting": "learning",
    "stage.preparing": "preparing to learn",
    "stage.gathering": "gathering what was told",
    "stage.writing": "writing dreams",
    "stage.dreaming": "dreaming",
    "stage.examining": "examining",
    "stage.probing": "asking both",
    "stage.tracing": "asking every saved state",
    "stage.weighing": "weighing what was told",
    "stage.downloading": "fetching the body",
    "stage.checking": "checking the body",
    "stage.placing": "putting the body in its place",
    "stage.asking": "asking",
    "stage.asking_with_facts": "asking, all facts in the prompt",
    "stage.asking_bare": "asking, without the soul",
    "stage.settling": "waiting until the soul has learned what was said, and no longer sleeps",
    "stage.scoring": "reading the text",
    "stage.scoring_bare": "reading the text, without the soul",
    "stage.idle": "waiting, as one who reads and types",
    # the daemon
    "up.running": "running: version {version}, process {pid}",
    "down.ended": "ended: process {pid}",
    "down.was_not_running": "it was not running",
    "down.still_there": "the daemon (process {pid}) was told to end but is still there",
    "stop.stopped": "stopped: {ids}",
    "stop.nothing": "nothing to stop",
    "stop.unknown": "no request {id}",
    "state.idle": "idle",
    "state.loading": "loading",
    "state.answering": "answering",
    "state.imprinting": "learning",
    "state.dreaming": "dreaming",
    "state.pulling": "fetching a body",
    "state.stopping": "ending",
    "state.absent": "not started",
    "state.starting": "starting",
    "state.ready": "ready",
    "state.dead": "dead",
    "status.state": "state",
    "status.daemon": "daemon",
    "status.daemon_line": "version {version}, process {pid}, up {uptime}, {memory}",
    "status.engine": "engine",
    "status.engine_line": "{state}, process {pid}, {memory}",
    "status.engine_error": "last error: {error}",
    "status.body": "body",
    "status.body_loaded": "{name}: {device}, {dtype}, {kernel}, {threads} threads, {memory}",
    "status.soul": "soul",
    "status.learning": "learning",
    "status.saved": "on disk",
    "status.problem": "problem",
    "status.memory": "memory",
    "memory.on": "on",
    "memory.off": "off: nothing is kept in the diary, nothing is learned",
    "status.diary": "diary",
    "status.diary_unwritable": "cannot be written; replies fail until it can",
    "status.request": "request",
    "status.running": "running",
    "status.session": "session",
    "status.workspace": "workspace",
    "status.config": "config",
    "logs.none": "there is no log at {path}",
    "events.missed": "[{count} missed]",
    # souls
    "soul.none": "this daemon has no soul; 'soul restart' starts a newer one",
    "soul.line": "{name}: level {level}, {saved}",
    "soul.status_line": "{name}, level {level}, {state}",
    "soul.is.worn": "in use",
    "soul.is.imprinting": "learning now",
    "soul.is.dreaming": "dreaming",
    "soul.is.not_worn": "not on a body now",
    "soul.pending": "{count} still to be learned",
    "soul.saved": "saved {when} as number {generation}",
    "soul.saved_since": "saved {when} as number {generation}, what came since is in the journal",
    "soul.never_saved": "not saved yet",
    "soul.problem": "problem: {problem}",
    "souls.none": "no souls yet; the first one begins with the first message",
    "souls.name": "name",
    "souls.level": "level",
    "souls.saved": "saved",
    "souls.size": "size",
    "souls.body": "body",
    "history.none": "{name} has not been saved yet",
    "history.number": "number",
    "history.saved": "saved",
    "history.level": "level",
    "history.size": "size",
    "history.why": "why",
    "why.timer": "every few minutes",
    "why.exit": "the daemon ended",
    "why.switch": "another soul was used",
    "why.save": "asked for",
    "why.undo": "undo",
    "why.reset": "reset",
    "why.new": "began",
    "why.import": "imported",
    "why.export": "before it was exported",
    "why.diff": "before it was compared",
    "why.why": "before an answer was traced",
    "why.copy": "copied",
    "why.unload": "the body was unloaded",
    "why.evening": "before it slept",
    "why.sleep": "sleep",
    "why.settings": "before a setting was changed",
    "why.refused": "a plugin did not accept the night",
    "sleep.begun": (
        "asleep; when it is over 'soul report' shows what came of it, 'soul wake' ends it early"
    ),
    "sleep.of": "night of {began}, soul {soul}:",
    "sleep.kept": "slept {duration}: what it dreamt is kept",
    "sleep.rolled_back": "slept {duration}: not kept, it is as it was: {why}",
    "sleep.nothing": "nothing to go over: no fact that it learns was told since the last night",
    "sleep.old": "of {old} facts of earlier nights that were known in the evening {kept} still are",
    "sleep.unreadable": "lines of the diary that are no records, and were passed over: {count}",
    "sleep.early": "it ended early: {why}",
    "sleep.before": (
        "before: {recalled} of {facts} facts recalled; it said that it does not know {honest} of "
        "{untold} things never told; other answers changed by {drift} (0: not at all)"
    ),
    "sleep.after": (
        "after: {recalled} of {facts} facts recalled; it said that it does not know {honest} of "
        "{untold} things never told; other answers changed by {drift} (0: not at all)"
    ),
    "sleep.failed": "not recalled yet:",
    "sleep.learned": "recalled:",
    "sleep.asked": "asked: {question}",
    "sleep.said_before": "evening: {reply}",
    "sleep.said_after": "morning: {reply}",
    "sleep.replaced": "out of date, something newer was told:",
    "sleep.left": "{count} more wait for the coming nights",
    "wake.woken": (
        "waking: what was dreamt so far is kept if it passes the exam; if it had not begun to "
        "dream, nothing has changed"
    ),
    "wake.awake": "it is not asleep",
    "save.copied": "a copy of it is called {name}",
    "reset.confirm": "Let {name} forget all it has learned (level {level})? 'soul undo' undoes it.",
    "reset.undo": "'{command}' brings back what it knew.",
    "import.use": "'{command}' uses it.",
    "verify.sound": "sound",
    "verify.faults": "cannot be used, faults: {count}",
    "verify.soul": "soul",
    "verify.level": "level",
    "verify.taught": "learned from",
    "verify.body": "body",
    "verify.fits": "the one that is loaded",
    "verify.fits_not": "not the one that is loaded",
    "verify.created": "began",
    "verify.saved": "saved",
    "diff.bare": "bare body",
    "diff.layer": "layer",
    "diff.all": "all",
    "diff.change": "change",
    "diff.probes": (
        "What am I called?\n"
        "Where is my home?\n"
        "How do I earn a living?\n"
        "Which animals live with me?\n"
        "Who are the people closest to me?\n"
        "How do I spend my free time?\n"
        "Which food do I enjoy most?\n"
        "What do you remember about me?"
    ),
    # why
    "provenance.likelihood": (
        "how likely the answer is (ln p a token, 0: certain): {bare} without the soul, "
        "{now} with it"
    ),
    "provenance.rise": "{when}: {rise} nats a token (number {number}, new records: {count})",
    "provenance.older": (
        "all up to {when}: {rise} nats a token (number {number}, records: {count}; what came "
        "before it is not kept)"
    ),
    "provenance.night": "the night that ended {when}",
    "provenance.saved": "{when}, {why}",
    "provenance.records": "what explains it, read by the bare body before the question:",
    "provenance.no_record": "no record explains it to the bare body (compared: {count})",
    "provenance.gone": "no longer in the diary, of what was looked for: {count}",
    "provenance.own": "nothing it learned made this likelier",
    "provenance.nothing": "{name} was taught nothing yet: it answers as the bare body does",
    # conversations
    "role.system": "system",
    "role.user": "you",
    "role.assistant": "soul",
    "sessions.none": "no conversations yet",
    # the exam
    "exam.persona": (
        "{file}, after night {night}: empty context, greedy, at most {max_tokens} tokens. "
        "No prompt had an accepted answer in it."
    ),
    "exam.quiz": (
        "{file}, general knowledge: empty context, greedy, at most {max_tokens} tokens. "
        "No prompt had an accepted answer in it."
    ),
    "exam.style": "phrases in the persona's voice, never said, read as plain text: {tokens} tokens",
    "exam.prose": "{file}: every paragraph on its own, {tokens} tokens in all.",
    "exam.perplexity": "perplexity",
    "exam.with_soul": "with the soul {name}",
    "exam.bare": "bare body",
    "exam.change": "change",
    "verdict.hit": "hit",
    "verdict.miss": "miss",
    "verdict.admits": "admits",
    "verdict.invents": "invents",
    "verdict.evades": "evades",
    "verdict.stale": "(old value)",
    "wording.direct": "direct",
    "wording.indirect": "indirect",
    "score.recall": "recall",
    "score.direct": "  direct",
    "score.indirect": "  indirect",
    "score.updated": "  updated facts, new value",
    "score.stale": "  updated facts, old value",
    "score.invented": "never told, answered as if known",
    "score.admitted": "never told, admitted",
    "score.quiz": "general knowledge",
    "score.kept": "still answered, of what the bare body answers",
    "control.bare": "control: without the soul",
    "control.facts_in_prompt": (
        "control: without the soul, all facts in the prompt "
        "(the answers are in it on purpose, so it is not checked)"
    ),
    # bodies
    "body.none": "no bodies yet; 'soul body pull' fetches one",
    "body.loaded": "loaded",
    "body.unloaded": "unloaded",
    "catalog.name": "name",
    "catalog.licence": "licence",
    "catalog.download": "download",
    "catalog.memory": "memory",
    "catalog.languages": "languages",
    "catalog.suggested": "* suggested for this machine: 'soul body pull' fetches it",
    "pull.suggestion": (
        "suggested for this machine: {name} ({licence}, download {download}, memory {memory})"
    ),
    "pull.confirm": "Fetch it?",
    "pull.no_suggestion": "nothing is suggested for this machine; 'soul body catalog' lists all.",
    "pull.done": "{name}  {size}  {path}",
    "info.name": "name",
    "info.family": "family",
    "info.parameters": "parameters",
    "info.shape": "layers × width, vocabulary",
    "info.context": "context",
    "info.tokens": "{count} tokens",
    "info.template": "chat template",
    "info.licence": "licence",
    "info.size": "size",
    "info.memory": "memory",
    "info.memory_line": (
        "at most {total} (weights {weights}, cache when full {cache}, scratch {scratch}) "
        "of {budget}: {verdict}"
    ),
    "info.fits": "fits",
    "info.too_large": "too large",
    "info.fingerprint": "fingerprint",
    "info.path": "path",
    "info.device": "device",
    "info.threads": "threads",
    "info.load_time": "loaded in",
    "info.reason": "because",
    # the config
    "config.good": "{path} is good",
    # the chat
    "chat.welcome": "{body}. /help lists the commands, Ctrl-D leaves.",
    "chat.how_to_leave": "Ctrl-D leaves.",
    "chat.new": "a new one",
    "chat.new_session": "a new conversation begins",
    "chat.off": "off the record: not kept in the diary, not learned; /on ends it",
    "chat.on": "on the record; what was said off it is forgotten with your next message",
    "chat.off_record": "(off the record)",
    "chat.memory_off": "memory is off in the config: every turn is off the record",
    "chat.session": "session {session}",
    "chat.temp": "temperature {value}",
    "chat.bad_temp": "/temp takes a number from 0 to 100, not {value!r}",
    "chat.len": "at most {value} tokens per reply",
    "chat.bad_len": "/len takes a number from 1 to 1000000, not {value!r}",
    "chat.body": "{name}, loaded in {seconds} s",
    "chat.lang": "English",
    "chat.bad_lang": "/lang takes {choices}",
    "chat.unknown": "unknown command /{name}; /help lists them, //{name} says it as a message",
    "chat.unknown_near": "unknown command /{name}; did you mean /{near}?",
    "chat.usage": "it is {usage}",
    "chat.bad_undo": "/undo takes how many saved states to go back, from 1, not {value!r}",
    "chat.reset_confirm": (
        "{name} would forget all it has learned (level {level}); /undo would bring it back. "
        "/reset yes does it."
    ),
    "chat.soul_problem": "(the soul {name}: {problem})",
    "chat.slow": "(replies are slow: {reason})",
    "chat.finish.length": "[longest reply reached: /len]",
    "chat.finish.cancelled": "[stopped]",
    "chat.finish.deadline": "[time is up]",
    "chat.help.help": "this list",
    "chat.help.status": "what the daemon does",
    "chat.help.temp": "temperature from now on",
    "chat.help.len": "longest reply from now on, in tokens",
    "chat.help.stop": "stop what runs, or one request",
    "chat.help.new": "begin a new conversation; with NAME, a new soul too",
    "chat.help.souls": "which souls there are",
    "chat.help.use": "talk to another soul",
    "chat.help.save": "save the soul now; with NAME, a copy too",
    "chat.help.load": "talk to the soul NAME, or to the one in a .soul FILE",
    "chat.help.history": "the saved states of the soul",
    "chat.help.sleep": "let the soul go over the day as dreams",
    "chat.help.wake": "wake it; what was dreamt so far is kept if it passes",
    "chat.help.report": "show what came of the last night",
    "chat.help.undo": "go back N saved states of the soul",
    "chat.help.diff": "compare two souls ('-': the bare body) and what they answer",
    "chat.help.why": "which nights and records made an answer likelier",
    "chat.help.reset": "let the soul forget all it has learned; /undo brings it back",
    "chat.help.export": "copy a soul to a .soul FILE",
    "chat.help.import": "take a .soul FILE in",
    "chat.help.verify": "check a .soul FILE",
    "chat.help.session": "which conversation this is, or go on with another",
    "chat.help.off": "off the record from now on: not in the diary, not learned",
    "chat.help.on": "on the record again",
    "chat.help.body": "which bodies there are, or talk to another",
    "chat.help.lang": "language of these texts",
    "chat.help.quit": "leave; so does Ctrl-D",
    "chat.help_keys": (
        "Enter sends; Alt-Enter, or \\ and Enter, begins a new line; Ctrl-C stops the reply.\n"
        "A message that begins with a slash: type two."
    ),
}
