"""The texts in Japanese."""

from __future__ import annotations

TEXTS = {
    "yes": "はい",
    "no": "いいえ",
    # help
    "help.commands": "コマンド",
    "help.exits": "終了コード",
    "command": "ボディと話し、それを動かすデーモンを操作します。コマンドなしではチャットします。",
    "command.chat": "話します。端末では履歴とコマンドが使え、パイプでは一行ずつ答えます。",
    "command.ask": "TEXT(「-」なら標準入力の内容)を伝え、返事を表示します。",
    "command.sessions": "日記にある会話の一覧、または指定した会話を表示します。",
    "command.body": "ボディの一覧、取得、読み込み、説明。",
    "command.body.list": "models/ にあるボディの一覧を表示します。",
    "command.body.catalog": "名前で取得できる、よく知られたボディの一覧を表示します。",
    "command.body.pull": (
        "SOURCE を取得します。カタログの名前、hf:org/name、フォルダ、.gguf ファイルのいずれか。\n\n"
        "SOURCE がなければ、このマシンに勧めるものを取得します。"
    ),
    "command.body.load": "ボディ(省略時は設定のもの)を読み込みます。以後はそれが答えます。",
    "command.body.unload": "読み込んだボディのメモリを解放します。",
    "command.body.info": "ボディの内容と必要なメモリを表示します。読み込みはしません。",
    "command.souls": "ソウルの一覧を表示します。使用中のものに * が付きます。",
    "command.use": "これからソウル NAME を使います。それまでのソウルは保存されます。",
    "command.new": "NAME という空のソウルを作り、それを使います。",
    "command.save": (
        "使用中のソウルを今すぐ保存します。NAME があれば、その名前の複製も作ります。\n\n"
        "数分ごと、またソウルを離れるときにも、自動で保存されます。"
    ),
    "command.load": (
        "NAME のソウルを使います。.soul ファイルなら、取り込んで使います。\n\n"
        "すべて読み込むか、まったく読み込まないかのどちらかです。別のボディのソウルは断られます。"
    ),
    "command.history": "ソウル(省略時は使用中のもの)の保存された状態の一覧を表示します。",
    "command.undo": (
        "ソウルを N 個前(省略時は 1 個前)に保存された状態に戻します。\n\n"
        "今の状態も残ります。'soul history' に一覧があり、'soul undo --to G' で戻れます。"
    ),
    "command.diff": (
        "ソウル A と B を比べます。層ごとの変化の大きさと、同じ質問への答えを表示します。\n\n"
        "NAME@G は保存された状態、「-」はソウルなしのボディです。B がなければ使用中のソウルと比べ、"
        "A がそれならソウルなしのボディと比べます。"
    ),
    "command.why": (
        "QUESTION への答えを、どの夜と日記のどの記録が確からしくしたかを表示します。\n\n"
        "答えは、空の文脈でソウルが言うこと、または --answer です。記録は、質問の前に読んだ"
        "ソウルなしのボディにとって答えがどれだけ確からしくなるかで選びます。答えの説明であって、"
        "ほかから学ばなかったことの証明ではありません。"
    ),
    "command.reset": (
        "使用中のソウルに、学んだことをすべて忘れさせます。\n\n"
        "'soul undo' で戻せます。日記の内容は残りますが、学び直しはしません。"
    ),
    "command.export": (
        "ソウル(省略時は使用中のもの)を FILE(省略時は NAME.soul)に書き出します。\n\n"
        "引数が一つだけのとき、スラッシュを含むか .soul で終われば FILE、そうでなければ NAME です。"
    ),
    "command.import": (
        "FILE のソウルを、元の名前または別の名前で取り込みます。まだ使い始めません。"
    ),
    "command.verify": ".soul ファイルを隅々まで検査し、内容を表示します。",
    "command.sleep": (
        "使っているソウルに、聞いたことを夢で復習させます。\n\n"
        "夢に出なかった言い回しで試験をし、通らなければ元に戻します。その間も話せます。"
        "'soul wake' で早く起こせます。試験に通れば、そこまでが残ります。"
    ),
    "command.wake": "眠っているソウルを起こします。そこまでの夢は、試験に通れば残ります。",
    "command.report": "最後の夜の結果を表示します。",
    "command.exam": (
        "FILE(ペルソナまたは一般知識クイズ)の質問をして、答えを採点します。\n\n"
        "質問は一つずつ、空の文脈で、最も確からしいトークンを選び、オフレコで行います。"
        "プロンプトに正解が含まれていればエラーで終わります。省略時は最後の夜のあとの試験です。"
        ".txt ファイル(一行一段落)ならパープレキシティを測ります。ペルソナの口調で言っていない文"
        "(held_out)も、素の文章として測ります。対照実験では、ソウルなしのボディに同じことを"
        "します。それまでに話したことを学び終えてから始めます。"
    ),
    "command.rehearse": (
        "FILE のペルソナが N 番目の夜の前の日に言うことを、利用者として伝えます。\n\n"
        "実際の会話なので、日記に残り、学習されます。"
    ),
    "command.up": "デーモンが動いていなければ起動します。",
    "command.down": "デーモンを終了します。話している途中の内容は残ります。",
    "command.restart": "動いているデーモンを終了し、起動し直します。",
    "command.status": "デーモンの状態を表示します。",
    "command.stop": "リクエスト ID(先頭だけでも可)、または動いているものすべてを止めます。",
    "command.logs": "デーモンのログの終わりを表示します。動いていなくても構いません。",
    "command.events": "起きたことを、そのつど表示します。",
    "command.config": "設定の確認と表示。",
    "command.config.check": "設定が正しいか、正しくなければどこが違うかを表示します。",
    "command.config.show": "有効な設定を、既定値も含めて表示します。",
    "option.help": "この説明を表示して終了します。",
    "option.version": "バージョンを表示して終了します。",
    "option.config": "使う config.yaml。",
    "option.is_json": "JSON で出力します。",
    "option.language": "表示する言語。",
    "option.dry_run": "何が行われるかを表示するだけで、何も変更しません。",
    "option.session": "続ける会話。省略時は新しい会話。",
    "option.is_continued": "最後の会話を続けます。",
    "option.system": "設定の代わりに使うシステムプロンプト。",
    "option.temp": "温度。0 なら最も確からしいトークンを選びます。",
    "option.greedy": "常に最も確からしいトークンを選び、繰り返しの罰則もかけません。",
    "option.max_tokens": "返事の最大の長さ(トークン数)。",
    "option.top_k": "確からしい順に N 個から選びます。0 ならすべてから。",
    "option.top_p": "確からしい順に合計 X になるまでから選びます。",
    "option.min_p": "最も確からしいものの X 倍に満たないトークンを除きます。",
    "option.repetition_penalty": "最近出たトークンを出にくくします。1 なら無効。",
    "option.seed": "同じ数なら同じ返事になります。",
    "option.stop": "この文字列の手前で返事を終えます。複数指定できます。",
    "option.off_record": "日記に残さず、学習もしません。",
    "option.deadline": "この時間がたったら返事を止めます。",
    "option.night": "ペルソナの何番目の夜か(1 から)。",
    "option.no_controls": "対照実験を省きます(それぞれ同じだけ時間がかかります)。",
    "option.idle": "一言ごとに、ソウルが学ぶのを待つ時間。",
    "option.timeout": "デーモンの終了を待つ時間。",
    "option.safe_mode": "デーモンをプラグインなしで起動します。",
    "up.safe_mode": "プラグイン付きで動作中です。'soul restart --safe-mode' で再起動できます",
    "option.follow": "続きを待って表示します。",
    "option.lines": "最初に表示する行数。",
    "option.name": "models/ での名前。",
    "option.replace": "同じ名前のボディを置き換えます。",
    "option.soul_name": "ここでの名前。",
    "option.replaces_file": "同じ名前のファイルを置き換えます。",
    "option.to": "戻る先の状態('soul history' の番号)。",
    "option.ask": "いつもの質問の代わりに、両方に聞く質問。複数指定できます。",
    "option.answer": "ソウル自身の答えの代わりに調べる答え。",
    "option.no_wait": "話したことをソウルが学び終えるのを待ちません。",
    "option.is_waiting": "夜が終わるまで待ちます。Ctrl-C で止めると、寝る前のままです。",
    "option.yes": "確認しません。",
    "exit.OK": "正常",
    "exit.FAILED": "デーモンがエラーを返した",
    "exit.USAGE": "使い方の誤り",
    "exit.NOT_RUNNING": "デーモンが動いていない",
    "exit.CANNOT_START": "デーモンを起動できない",
    "exit.LOST": "デーモンがいなくなった、または応答しない",
    "exit.CONFIG": "設定がない、または誤っている",
    "exit.INTERRUPTED": "Ctrl-C または soul stop で止められた",
    "exit.PIPE_CLOSED": "出力を読む相手がいない",
    # what went wrong
    "hint.usage": "使い方は '{command} --help' で表示されます。",
    "hint.NOT_RUNNING": "'soul up' で起動できます。",
    "hint.LOST": "'soul status' で状態を、'soul logs' で経緯を確認できます。",
    "usage.session": "{value!r} は会話の ID ではありません(英数字と . _ - で 64 文字まで)。",
    "usage.empty": "伝える文がありません",
    "usage.session_and_continue": "--session と --continue は同時に指定できません。",
    "usage.night": "{night} 番目の夜はありません(このペルソナは {count} 夜まで)。",
    "usage.night_of_quiz": "夜があるのはペルソナだけです。",
    "usage.quiz_says_nothing": "{file} はペルソナではないので、伝える言葉がありません。",
    "usage.steps_and_to": "N と --to は同時に指定できません。",
    "usage.reset": "確認できる端末がないときは、--yes がなければ忘れさせません。",
    "usage.export": "指定できるのは NAME と FILE だけです。",
    "error.bad_request": "不正なリクエスト",
    "error.unknown_method": "不明なメソッド",
    "error.protocol_mismatch": "プロトコルの不一致",
    "error.too_large": "大きすぎます",
    "error.prompt_too_long": "メッセージが長すぎます",
    "error.busy": "今はできません",
    "error.not_found": "見つかりません",
    "error.body_invalid": "このボディは使えません",
    "error.body_missing": "ボディがありません",
    "error.soul_invalid": "ソウルのファイルが使えません",
    "error.soul_mismatch": "このソウルは別のボディのものです",
    "error.no_memory": "メモリが足りません",
    "error.device_unavailable": "デバイスが使えません",
    "error.engine_died": "エンジンが停止しました",
    "error.storage": "書き込めませんでした",
    "error.deadline": "時間切れです",
    "error.cancelled": "止められました",
    "error.shutting_down": "デーモンは終了するところです",
    "error.slow_client": "返事の読み取りが間に合いませんでした",
    "error.pull_failed": "ボディを取得できませんでした",
    "error.internal": "デーモンの不具合",
    # what is waited for
    "stage.starting": "デーモンを起動しています",
    "stage.ending": "デーモンの終了を待っています",
    "stage.queued": "順番を待っています(前に {position} 件)",
    "stage.waiting": "待っています",
    "stage.loading": "ボディを読み込んでいます",
    "stage.prefill": "読んでいます",
    "stage.imprinting": "学んでいます",
    "stage.preparing": "学ぶ準備をしています",
    "stage.gathering": "聞いたことを集めています",
    "stage.writing": "夢を書いています",
    "stage.dreaming": "夢を見ています",
    "stage.examining": "試験をしています",
    "stage.probing": "両方に質問しています",
    "stage.tracing": "保存された状態に順に尋ねています",
    "stage.weighing": "聞いたことを比べています",
    "stage.downloading": "ボディを取得しています",
    "stage.checking": "ボディを検査しています",
    "stage.placing": "ボディを配置しています",
    "stage.asking": "質問しています",
    "stage.asking_with_facts": "質問しています(すべての事実をプロンプトに入れて)",
    "stage.asking_bare": "質問しています(ソウルなしで)",
    "stage.settling": "話したことをソウルが学び終え、眠りから覚めるのを待っています",
    "stage.scoring": "文章を読んでいます",
    "stage.scoring_bare": "文章を読んでいます(ソウルなしで)",
    "stage.idle": "読んで入力する間、待っています",
    # the daemon
    "up.running": "動作中: バージョン {version}、プロセス {pid}",
    "down.ended": "終了しました: プロセス {pid}",
    "down.was_not_running": "動いていませんでした",
    "down.still_there": "デーモン(プロセス {pid})に終了を伝えましたが、まだ動いています",
    "stop.stopped": "止めました: {ids}",
    "stop.nothing": "止めるものはありません",
    "stop.unknown": "リクエスト {id} はありません",
    "state.idle": "待機中",
    "state.loading": "読み込み中",
    "state.answering": "応答中",
    "state.imprinting": "学習中",
    "state.dreaming": "夢を見ています",
    "state.pulling": "ボディを取得中",
    "state.stopping": "終了中",
    "state.absent": "未起動",
    "state.starting": "起動中",
    "state.ready": "準備完了",
    "state.dead": "停止",
    "status.state": "状態",
    "status.daemon": "デーモン",
    "status.daemon_line": "バージョン {version}、プロセス {pid}、稼働 {uptime}、{memory}",
    "status.engine": "エンジン",
    "status.engine_line": "{state}、プロセス {pid}、{memory}",
    "status.engine_error": "直前のエラー: {error}",
    "status.body": "ボディ",
    "status.body_loaded": "{name}: {device}、{dtype}、{kernel}、{threads} スレッド、{memory}",
    "status.soul": "ソウル",
    "status.learning": "学習",
    "status.saved": "ディスク",
    "status.problem": "問題",
    "status.memory": "記憶",
    "memory.on": "オン",
    "memory.off": "オフ: 日記に残さず、学習もしません",
    "status.diary": "日記",
    "status.diary_unwritable": "書き込めません。書き込めるまで返事はできません",
    "status.request": "リクエスト",
    "status.running": "実行中",
    "status.session": "会話",
    "status.workspace": "ワークスペース",
    "status.config": "設定",
    "logs.none": "{path} にログはありません",
    "events.missed": "[{count} 件欠落]",
    # souls
    "soul.none": "このデーモンにソウルはありません。'soul restart' で新しいものを起動できます",
    "soul.line": "{name}: レベル {level}、{saved}",
    "soul.status_line": "{name}、レベル {level}、{state}",
    "soul.is.worn": "使用中",
    "soul.is.imprinting": "学習中",
    "soul.is.dreaming": "夢を見ています",
    "soul.is.not_worn": "今はボディに付いていません",
    "soul.pending": "学習待ち {count} 件",
    "soul.saved": "{when} に {generation} 番として保存",
    "soul.saved_since": "{when} に {generation} 番として保存。その後の分はジャーナルにあります",
    "soul.never_saved": "まだ保存されていません",
    "soul.problem": "問題: {problem}",
    "souls.none": "ソウルはまだありません。最初のメッセージで始まります",
    "souls.name": "名前",
    "souls.level": "レベル",
    "souls.saved": "保存日時",
    "souls.size": "サイズ",
    "souls.body": "ボディ",
    "history.none": "{name} はまだ保存されていません",
    "history.number": "番号",
    "history.saved": "保存日時",
    "history.level": "レベル",
    "history.size": "サイズ",
    "history.why": "理由",
    "why.timer": "定期保存",
    "why.exit": "デーモンの終了",
    "why.switch": "ソウルの切り替え",
    "why.save": "保存の指示",
    "why.undo": "元に戻す",
    "why.reset": "リセット",
    "why.new": "開始",
    "why.import": "取り込み",
    "why.export": "書き出しの前",
    "why.diff": "比較の前",
    "why.why": "答えの由来を調べる前",
    "why.copy": "複製",
    "why.unload": "ボディの解放",
    "why.evening": "寝る前",
    "why.sleep": "睡眠",
    "why.settings": "設定の変更の前",
    "why.refused": "プラグインが夜を認めなかった",
    "sleep.begun": (
        "眠りました。結果は、終わったら 'soul report' で見られます。'soul wake' で起こせます"
    ),
    "sleep.of": "{began} の夜、ソウル {soul}:",
    "sleep.kept": "{duration} 眠りました。夢で学んだことを残します",
    "sleep.rolled_back": "{duration} 眠りましたが、残さず元に戻しました: {why}",
    "sleep.nothing": "復習することがありません。前の夜から、学ぶことは聞いていません",
    "sleep.old": "以前の夜に学び、夜の前に覚えていた {old} 件のうち {kept} 件を今も覚えています",
    "sleep.unreadable": "日記の中で読めず、飛ばした行: {count}",
    "sleep.early": "途中で終わりました: {why}",
    "sleep.before": (
        "前: {facts} 件中 {recalled} 件を覚えています。聞いていないこと {untold} 件中 {honest} 件を"
        "知らないと答えます。ほかの答えの変化 {drift}(0 は変化なし)"
    ),
    "sleep.after": (
        "後: {facts} 件中 {recalled} 件を覚えています。聞いていないこと {untold} 件中 {honest} 件を"
        "知らないと答えます。ほかの答えの変化 {drift}(0 は変化なし)"
    ),
    "sleep.failed": "まだ思い出せません:",
    "sleep.learned": "思い出せました:",
    "sleep.asked": "質問: {question}",
    "sleep.said_before": "夕方: {reply}",
    "sleep.said_after": "朝: {reply}",
    "sleep.replaced": "新しい話に置き換わりました:",
    "sleep.left": "あと {count} 件は次の夜に復習します",
    "wake.woken": (
        "起きます。ここまでの夢は、試験に通れば残ります。まだ夢を見ていなければ、何も変わりません"
    ),
    "wake.awake": "眠っていません",
    "save.copied": "複製の名前は {name} です",
    "reset.confirm": (
        "{name} に、学んだことをすべて忘れさせますか(レベル {level})? 'soul undo' で戻せます。"
    ),
    "reset.undo": "'{command}' で、忘れる前に戻せます。",
    "import.use": "'{command}' で使えます。",
    "verify.sound": "問題ありません",
    "verify.faults": "使えません(不具合 {count} 件)",
    "verify.soul": "ソウル",
    "verify.level": "レベル",
    "verify.taught": "学んだ記録",
    "verify.body": "ボディ",
    "verify.fits": "読み込み中のボディと同じ",
    "verify.fits_not": "読み込み中のボディとは別",
    "verify.created": "開始",
    "verify.saved": "保存",
    "diff.bare": "ソウルなし",
    "diff.layer": "層",
    "diff.all": "全体",
    "diff.change": "変化",
    "diff.probes": (
        "私は何と呼ばれていますか?\n"
        "私の家はどこにありますか?\n"
        "私はどうやって生計を立てていますか?\n"
        "私と一緒に暮らしている動物は何ですか?\n"
        "私にとって身近な人は誰ですか?\n"
        "私は自由な時間に何をしていますか?\n"
        "私がいちばん好きな食べ物は何ですか?\n"
        "私について何を覚えていますか?"
    ),
    # why
    "provenance.likelihood": (
        "答えの確からしさ(1 トークンあたりの ln p、0 は確実): ソウルなし {bare}、ソウルあり {now}"
    ),
    "provenance.rise": "{when}: 1 トークンあたり {rise} nat({number} 番、新しい記録 {count} 件)",
    "provenance.older": (
        "{when} まで: 1 トークンあたり {rise} nat({number} 番、記録 {count} 件。"
        "それより前の状態は残っていません)"
    ),
    "provenance.night": "{when} に終わった夜",
    "provenance.saved": "{when}、{why}",
    "provenance.records": "答えの説明になる記録(ソウルなしのボディに、質問の前に読ませた場合):",
    "provenance.no_record": "答えの説明になる記録はありません(比べた記録 {count} 件)",
    "provenance.gone": "調べた記録のうち、日記にもうないもの: {count} 件",
    "provenance.own": "学んだことで確からしくなった答えではありません",
    "provenance.nothing": "{name} はまだ何も学んでいません。ソウルなしのボディと同じように答えます",
    # conversations
    "role.system": "システム",
    "role.user": "あなた",
    "role.assistant": "ソウル",
    "sessions.none": "会話はまだありません",
    # the exam
    "exam.persona": (
        "{file}、{night} 夜目のあと: 空の文脈、貪欲法、最大 {max_tokens} トークン。"
        "どのプロンプトにも正解は含まれていません。"
    ),
    "exam.quiz": (
        "{file}、一般知識: 空の文脈、貪欲法、最大 {max_tokens} トークン。"
        "どのプロンプトにも正解は含まれていません。"
    ),
    "exam.style": "ペルソナの口調で、一度も言っていない文(素の文章として): {tokens} トークン",
    "exam.prose": "{file}: 段落を一つずつ、全部で {tokens} トークン。",
    "exam.perplexity": "パープレキシティ",
    "exam.with_soul": "ソウル {name} あり",
    "exam.bare": "ソウルなし",
    "exam.change": "変化",
    "verdict.hit": "正解",
    "verdict.miss": "不正解",
    "verdict.admits": "知らないと答えた",
    "verdict.invents": "作り話",
    "verdict.evades": "はぐらかし",
    "verdict.stale": "(古い値)",
    "wording.direct": "直接",
    "wording.indirect": "間接",
    "score.recall": "想起",
    "score.direct": "  直接の質問",
    "score.indirect": "  間接の質問",
    "score.updated": "  変わった事実の新しい値",
    "score.stale": "  変わった事実の古い値",
    "score.invented": "話していないことを知っているかのように答えた",
    "score.admitted": "話していないことを知らないと認めた",
    "score.quiz": "一般知識",
    "score.kept": "ソウルなしで答えられた質問のうち、今も答えられたもの",
    "control.bare": "対照: ソウルなしの場合",
    "control.facts_in_prompt": (
        "対照: ソウルなしで、すべての事実をプロンプトに入れた場合(わざと入れるので、確認はしません)"
    ),
    # bodies
    "body.none": "ボディはまだありません。'soul body pull' で取得できます",
    "body.loaded": "読み込み済み",
    "body.unloaded": "解放しました",
    "catalog.name": "名前",
    "catalog.licence": "ライセンス",
    "catalog.download": "取得サイズ",
    "catalog.memory": "メモリ",
    "catalog.languages": "言語",
    "catalog.suggested": "* このマシンに勧めるもの。'soul body pull' で取得できます",
    "pull.suggestion": (
        "このマシンに勧めるもの: {name}({licence}、取得サイズ {download}、メモリ {memory})"
    ),
    "pull.confirm": "取得しますか?",
    "pull.no_suggestion": (
        "このマシンに勧めるものがありません。'soul body catalog' に一覧があります。"
    ),
    "pull.done": "{name}  {size}  {path}",
    "info.name": "名前",
    "info.family": "種類",
    "info.parameters": "パラメータ数",
    "info.shape": "層 × 幅、語彙",
    "info.context": "コンテキスト",
    "info.tokens": "{count} トークン",
    "info.template": "チャットテンプレート",
    "info.licence": "ライセンス",
    "info.size": "サイズ",
    "info.memory": "メモリ",
    "info.memory_line": (
        "最大 {total}(重み {weights}、満杯時のキャッシュ {cache}、"
        "作業領域 {scratch})/ {budget}: {verdict}"
    ),
    "info.fits": "収まります",
    "info.too_large": "収まりません",
    "info.fingerprint": "フィンガープリント",
    "info.path": "場所",
    "info.device": "デバイス",
    "info.threads": "スレッド数",
    "info.load_time": "読み込み時間",
    "info.reason": "理由",
    # the config
    "config.good": "{path} に誤りはありません",
    # the chat
    "chat.welcome": "{body}。/help でコマンド一覧、Ctrl-D で終了します。",
    "chat.how_to_leave": "Ctrl-D で終了します。",
    "chat.new": "新しい会話",
    "chat.new_session": "新しい会話を始めます",
    "chat.off": "オフレコにします。日記に残さず、学習もしません(/on で戻ります)",
    "chat.on": "オフレコを終えました。オフレコの内容は次のメッセージで忘れます",
    "chat.off_record": "(オフレコ)",
    "chat.memory_off": "設定で記憶がオフになっています。会話はすべてオフレコです",
    "chat.session": "会話 {session}",
    "chat.temp": "温度 {value}",
    "chat.bad_temp": "/temp には 0 から 100 の数を指定します({value!r} は使えません)",
    "chat.len": "返事は最大 {value} トークン",
    "chat.bad_len": "/len には 1 から 1000000 の数を指定します({value!r} は使えません)",
    "chat.body": "{name} を {seconds} 秒で読み込みました",
    "chat.lang": "日本語",
    "chat.bad_lang": "/lang には {choices} を指定します",
    "chat.unknown": (
        "/{name} というコマンドはありません。/help に一覧があります。//{name} なら文として送ります"
    ),
    "chat.unknown_near": "/{name} というコマンドはありません。/{near} のことですか?",
    "chat.usage": "使い方: {usage}",
    "chat.bad_undo": "/undo には戻る数を 1 以上で指定します({value!r} は使えません)",
    "chat.reset_confirm": (
        "{name} が学んだことをすべて忘れます(レベル {level})。/undo で戻せます。"
        "/reset yes で実行します。"
    ),
    "chat.soul_problem": "(ソウル {name}: {problem})",
    "chat.slow": "(返事が遅い理由: {reason})",
    "chat.finish.length": "[最大の長さに達しました: /len]",
    "chat.finish.cancelled": "[停止]",
    "chat.finish.deadline": "[時間切れ]",
    "chat.help.help": "この一覧",
    "chat.help.status": "デーモンの状態",
    "chat.help.temp": "これからの温度",
    "chat.help.len": "これからの返事の最大トークン数",
    "chat.help.stop": "動いているもの、または一つのリクエストを止める",
    "chat.help.new": "新しい会話を始める。NAME があれば新しいソウルで",
    "chat.help.souls": "ソウルの一覧",
    "chat.help.use": "別のソウルと話す",
    "chat.help.save": "ソウルを今すぐ保存。NAME があれば複製も作る",
    "chat.help.load": "ソウル NAME、または .soul ファイルのソウルと話す",
    "chat.help.history": "ソウルの保存された状態の一覧",
    "chat.help.sleep": "ソウルに一日を夢で復習させる",
    "chat.help.wake": "起こします。そこまでの夢は、試験に通れば残ります",
    "chat.help.report": "最後の夜の結果を見る",
    "chat.help.undo": "ソウルを N 個前に保存された状態に戻す",
    "chat.help.diff": "二つのソウル(「-」ならソウルなし)とその答えを比べる",
    "chat.help.why": "答えを確からしくした夜と記録を見る",
    "chat.help.reset": "学んだことをすべて忘れさせる(/undo で戻せる)",
    "chat.help.export": "ソウルを .soul ファイルに書き出す",
    "chat.help.import": ".soul ファイルを取り込む",
    "chat.help.verify": ".soul ファイルを検査する",
    "chat.help.session": "今の会話を表示、または別の会話を続ける",
    "chat.help.off": "これからオフレコにする(日記に残さず、学習しない)",
    "chat.help.on": "オフレコをやめる",
    "chat.help.body": "ボディの一覧、または別のボディと話す",
    "chat.help.lang": "表示する言語",
    "chat.help.quit": "終了(Ctrl-D でも)",
    "chat.help_keys": (
        "Enter で送信、Alt-Enter または \\ と Enter で改行、Ctrl-C で返事を止めます。\n"
        "スラッシュで始まる文は、スラッシュを二つ打ちます。"
    ),
}
