// The page's words, and the help of the table's rows, in Chinese.

export const WORDS = {
  // views and the bar
  Play: "演奏", Pad: "触控板", Words: "文字", Cover: "封面", "Set up": "设置", Monitor: "监视", "Skip to the view": "跳到视图",
  Stop: "停止", Panic: "急停", Tap: "点拍", "Tap the beat": "按拍子点击", Sound: "声音", "Sound in this page": "在本页发声",
  "Tempo in beats a minute": "速度（每分钟拍数）", Slower: "慢一点", Faster: "快一点", "bar and beat": "小节和拍", bar: "小节", beat: "拍",
  "Dark or bright": "深色或浅色", "Help on every control": "显示每个控件的说明",
  "Waiting for rnnmuse live": "正在等待 rnnmuse live", "Waiting for the screen's server": "正在等待屏幕服务器",
  // play
  Song: "乐曲", "Start a band": "启动乐队", "Drums, chords and a melody begin to play": "鼓、和弦与旋律开始演奏",
  Record: "录制", "Record the session": "录制本次演奏", "Session as MIDI": "整场 MIDI", "Last {n} bars": "最近 {n} 小节",
  key: "调", free: "自由", major: "大调", minor: "小调", "chords, a bar between | and |": "和弦（用 | 分小节）", now: "现在", "Chords, a bar each": "和弦，每格一小节",
  "Metre, swing and more": "拍号、摇摆等", metre: "拍号", "Beats of a bar": "每小节拍数", "Note value of a beat": "每拍音符时值", "Do it": "执行",
  Players: "演奏者", Player: "演奏者", player: "演奏者", "Add a player": "添加演奏者", Mute: "静音", Solo: "独奏", plays: "演奏", level: "力度",
  "model, mode and parameters": "模型、模式与参数", Range: "音域", Harmony: "和声", Form: "曲式", Chance: "随机", Band: "乐队", Routing: "走线", More: "其他", Everything: "全部参数", "Sounding notes": "正在发声的音符",
  // parameters
  model: "模型", mode: "模式", temperature: "温度", "top p": "概率上限", density: "密度", low: "最低音", high: "最高音", polyphony: "复音数", scale: "音阶", chord: "和弦",
  velocity: "力度", humanise: "人性化", silence: "停顿", turn: "轮流", bars: "小节数", repeat: "重复", memory: "记忆", seed: "种子", channel: "通道", program: "音色号",
  hears: "聆听", when: "何时生效", target: "输出到", pattern: "织体", steady: "固定型", swing: "摇摆", split: "分键点", track: "和弦轨", source: "时钟来源", position: "位置",
  off: "关", continue: "续奏", answer: "应答", accompany: "伴奏", hold: "保持", loop: "循环", harmonise: "配和声", start: "开始", reset: "清空记忆",
  register: "音区", syncopation: "切分", contour: "走向", brightness: "明亮", loudness: "响度", slots: "已存乐句", "notes a beat": "音/拍", "MIDI note": "MIDI 音号", beats: "拍", bpm: "拍/分", s: "秒", px: "像素", "pictures/s": "帧/秒", "syllables a beat": "音节/拍",
  internal: "内部", midi: "MIDI", link: "Link", osc: "OSC", none: "无", forget: "忘记", remember: "记住", ending: "结尾", band: "乐队", "band fours": "乐队四小节轮换", "band density": "乐队密度", "memory forget": "忘记本次演奏", "memory remember": "记住（文件名）", "memory recall": "回忆（文件名）", role: "角色", style: "风格",
  // pad
  "Pad; arrow keys move": "触控板；方向键移动", "Axis across": "横轴", "Axis up": "纵轴", across: "横", up: "纵", "Stored phrases": "已存乐句", "stored phrases": "已存乐句", Phrase: "乐句",
  Store: "存储", "Take what was just played": "取用刚才的演奏", "Mean of all": "全部平均", Morph: "变形", morph: "变形", Variation: "变奏", Vary: "变奏一次", "How far the variation goes": "变奏幅度",
  "Melodies on the pad": "在触控板上演奏旋律", "Drums on the pad": "在触控板上演奏鼓",
  Lock: "锁定", "Back to the phrase before": "回到上一乐句", "Forward again": "再往前",
  "This player's model has no pad. Choose a phrase model, such as phrases or beats.": "此演奏者的模型没有触控板。请选择乐句模型，例如 phrases 或 beats。",
  // words, cover
  Voice: "声部", voice: "声部", Say: "说", Clear: "清除", prompt: "提示", "Read it": "读入", "Mixture of models": "模型混合", "For a projector": "投影用", words: "文字", cover: "封面", notes: "音符", all: "全部",
  rate: "速度", unit: "单位", mixture: "混合方式", after: "接在…之后", bind: "跟随", character: "字符", syllable: "音节", word: "词", line: "行", phrase: "短语", linear: "线性", product: "乘积",
  Stage: "舞台", "Picture that moves with the music": "随音乐变化的图像", title: "标题", artist: "作者", size: "尺寸", "Draw a cover": "绘制封面", Covers: "封面", look: "版式", mood: "情绪", palette: "色板", stream: "动态图像",
  screen: "丝网", riso: "孔版", lino: "麻胶版", geometric: "几何", gradient: "渐变", paint: "绘画",
  lead: "主奏", bass: "低音", drums: "鼓", chords: "和弦", jazz: "爵士", pop: "流行", folk: "民谣", game: "游戏", broken: "分解", held: "长音", "oom-pah": "低音加后半拍", strummed: "扫弦",
  expression: "表情", tempo: "速度", play: "从头播放", stop: "停止", panic: "全部静音", mute: "静音", solo: "独奏", started: "演奏", running: "运行", original: "避免照搬", recall: "取自你的演奏", chart: "和弦谱", fours: "四小节轮换", generate: "生成", cue: "预备于", render: "离线渲染", ascii: "仅 ASCII", capture: "取用演奏", average: "平均", vary: "变奏", test: "测试", harmony: "和声", map: "映射", note: "音符", claim: "占用", x: "横", y: "纵", xy: "位置",
  // set up
  Inputs: "输入", Outputs: "输出", "There is none.": "没有。", closed: "已关闭", open: "已打开", waiting: "等待中", gone: "已断开", "A port that is lost is opened again when it is back; saving the rig keeps what is open.": "断开的端口恢复后会重新打开；保存配置会记住打开的端口。",
  Clock: "时钟", "MIDI ports": "MIDI 端口", "Look again": "重新查找", "Test note": "测试音", "Test note on": "测试音：", "Test note on all": "全部测试音", in: "输入", out: "输出",
  "Learn a controller": "学习控制器", Learn: "学习", "Press Learn, touch any control in any view, then turn a knob of your controller.": "按“学习”，在任意视图点一个控件，再转动控制器上的旋钮。",
  "Touch a control, in any view.": "请点任意视图中的一个控件。", "Turn a knob now for": "现在转动旋钮：", Forget: "忘记",
  Presets: "预设", Preset: "预设", empty: "空", Rig: "配置", "Save into the rig's file": "保存到配置文件", Download: "下载", "Load a rig": "载入配置",
  Files: "文件", for: "用于", "Choose a file": "选择文件", as: "作为", "what was played before, or the phrase": "此前的演奏，或乐句", "memory of the session, for every player": "本次演奏的记忆（供所有演奏者）", "{n} notes are remembered, as {name}": "已记住 {n} 个音符，名为 {name}", "Drop a MIDI or MusicXML file anywhere on the page, or on a player's strip: the player takes it for what was played before; a phrase model takes its first bars as its phrase.": "把 MIDI 或 MusicXML 文件拖到页面任意处，或某个演奏者的条上：演奏者把它当作之前的演奏；乐句模型取其开头几小节作为乐句。",
  "{n} notes for player {p}": "{n} 个音符给演奏者 {p}", "{n} messages": "{n} 条消息", "rnnmuse does not answer": "rnnmuse 没有应答",
  "Train on your own files": "用自己的文件训练", "name of the model": "模型名称", "begin from": "起始模型", nothing: "无", minutes: "分钟", "Choose a folder": "选择文件夹", "Or drop a folder on the page. It needs the extra train.": "也可以把文件夹拖到页面上。需要安装 train 附加包。",
  Training: "训练", "Stop training": "停止训练", "Listen to a preview": "试听", "No MIDI or MusicXML file in this folder": "文件夹中没有 MIDI 或 MusicXML 文件", "{n} files; the training has begun": "{n} 个文件；训练已开始",
  "Keys and MIDI of this computer": "本机按键与 MIDI", "Letters play to": "字母键演奏给", nobody: "无", "A W S E D F T G Y H U J K are a keyboard; Z and X change the octave; space plays and stops; Escape is panic.": "A W S E D F T G Y H U J K 是琴键；Z、X 换八度；空格播放或停止；Esc 急停。",
  "{name} is gone": "{name} 已断开", "Open Web MIDI": "打开 Web MIDI", "This browser has no Web MIDI; Chromium, Edge and Firefox have, on localhost.": "此浏览器没有 Web MIDI；Chromium、Edge 和 Firefox 在 localhost 上支持。",
  "This page": "本页", addresses: "个地址",
  // monitor
  Messages: "消息", Filter: "过滤", Pause: "暂停", Copy: "复制", Copied: "已复制", "→ came in, ← was sent. A click copies a line as it can be pasted.": "→ 收到，← 发出。点击一行即可复制。",
  "notes in": "收到音符", "notes out": "发出音符", "median lateness": "延迟中位数", "p99 lateness": "延迟 p99", "p99.9 lateness": "延迟 p99.9", "worst lateness": "最大延迟", "notes dropped": "丢弃音符", "engines begun anew": "引擎重启次数", "frame in this page": "本页帧时间", "sound late in this page": "本页声音延迟",
};

const P = "/rnnmuse/player/{p}", T = "/rnnmuse/text/{p}", C = "/rnnmuse/cover", H = "/rnnmuse/harmony", X = "/rnnmuse/transport";

export const HELP = {
  [`${X}/play`]: "从头运行", [`${X}/stop`]: "停住，结束所有音符", [`${X}/continue`]: "继续运行", [`${X}/panic`]: "立即结束所有音符，不排队", [`${X}/running`]: "1 继续运行，0 停住",
  [`${X}/tempo`]: "速度", [`${X}/position`]: "位置", [`${X}/source`]: "由谁主导时钟", [`${X}/metre`]: "拍号，从本小节起", [`${X}/swing`]: "第二个八分音符落在何处",
  [`${H}/chart`]: "按小节写的和弦，从下一小节线起循环，例如 \"Am7 | D7 | Gmaj7 % |\"；空为无", [`${H}/chord`]: "从现在起的和弦；空则放开", [`${H}/key`]: "所有演奏者的调；空则跟随听到的音乐", [`${H}/split`]: "低于此音的演奏给出和弦；0 为无", [`${H}/track`]: "以此 MIDI 通道的音符作为和弦；0 为无",
  [`${P}/mode`]: "如何对待听到的音乐", [`${P}/model`]: "由哪个模型演奏；在下一小节线更换", [`${P}/start`]: "开始演奏", [`${P}/stop`]: "停止，并结束其音符", [`${P}/started`]: "1 时钟运行就演奏，0 停止", [`${P}/mute`]: "1 照常演奏，但听不到", [`${P}/solo`]: "1 只听到它和其他独奏者",
  [`${P}/reset`]: "忘记听到的内容", [`${P}/hold`]: "保持模式", [`${P}/hears`]: "聆听哪些 MIDI 通道和演奏者，例如 \"ch1 ch10 2\"、\"all\"、\"none\"", [`${P}/when`]: "模式和参数何时生效", [`${P}/target`]: "音符送往名称含此文字的输出；空为全部",
  [`${P}/channel`]: "音符的 MIDI 通道；鼓在 10", [`${P}/program`]: "General MIDI 音色号，0 为模型自己的",
  [`${P}/param/temperature`]: "0 取最可能的，1 如模型所学", [`${P}/param/top_p`]: "只从合占此比例的最可能类别中抽取；0 为模型自己的", [`${P}/param/density`]: "目标每拍音数；0 由模型决定", [`${P}/param/low`]: "最低音", [`${P}/param/high`]: "最高音", [`${P}/param/polyphony`]: "一个声部同时的音数；0 不限",
  [`${P}/param/key`]: "每个音都在此调内，例如 \"D minor\"；空为无", [`${P}/param/scale`]: "以此调主音的另一音阶；空为调本身的", [`${P}/param/chord`]: "强拍演奏的和弦；空为无", [`${P}/param/velocity`]: "演奏力度的倍数", [`${P}/param/humanise`]: "模型自身偏离网格的倍数；0 完全对齐", [`${P}/param/expression`]: "演奏者强弱的倍数，用于从乐谱学习、音符力度一律的模型；0 保持平均", [`${P}/param/pattern`]: "配和声时，和弦在下一个之前如何演奏",
  [`${P}/param/silence`]: "静默多久算演奏者的乐句结束", [`${P}/param/turn`]: "应答时每次几小节；0 为停顿后应答", [`${P}/param/bars`]: "循环长度", [`${P}/param/repeat`]: "重现前面小节的程度：0 不重现，0.5 如真实乐曲，1 全部", [`${P}/param/memory`]: "换模型时，新模型先听的过去音乐", [`${P}/param/steady`]: "1 伴奏保持小节型；0 逐音由模型决定", [`${P}/param/seed`]: "相同的种子演奏相同",
  [`${P}/latent/xy`]: "手指在触控板上的位置", [`${P}/latent/map`]: "触控板是什么：两个轴，或已存乐句", [`${P}/latent/store`]: "保存此点；起初槽里是示例", [`${P}/latent/recall`]: "回到保存的点", [`${P}/latent/morph`]: "在两个保存的点之间", [`${P}/latent/vary`]: "邻近的乐句：0 相同，1 任意", [`${P}/latent/average`]: "所列槽或全部的平均", [`${P}/latent/capture`]: "演奏者最近几小节成为乐句并保存", [`${P}/latent/axis/{axis}`]: "使乐句更多或更少如此；0.5 如多数乐句",
  [`${T}/generate`]: "说出这么多块，0 为不停", [`${T}/prompt`]: "当作之前的文字读入", [`${T}/mix`]: "一个模型的推子", [`${T}/bind`]: "随此演奏者的每个音说一个音节；0 为按拍", [`${T}/stop`]: "不再说", [`${T}/reset`]: "忘记提示和写过的内容", [`${T}/temperature`]: "0 取最可能的，1 如模型所学", [`${T}/top_p`]: "只从合占此比例的最可能字符中抽取", [`${T}/rate`]: "说话速度", [`${T}/unit`]: "一块是什么", [`${T}/when`]: "第一块何时说出", [`${T}/mixture`]: "模型的加权平均或加权乘积", [`${T}/ascii`]: "1 只发 ASCII", [`${T}/after`]: "等此声部说完一句或一行再说；0 为总是说", [`${T}/seed`]: "相同的种子写出相同",
  [`${C}/generate`]: "为演奏过的音乐绘制封面", [`${C}/stream`]: "发送随音乐变化的小图像；0 停止", [`${C}/model`]: "由哪个封面模型绘制", [`${C}/mood`]: "情绪，例如 \"dark\" 或 \"calm+warm\"；空为无", [`${C}/look`]: "用哪种版式绘制", [`${C}/palette`]: "色板，例如 \"sea\"、油墨或颜色；空则由音乐决定",
  [`${P}/note`]: "演奏者听到一个音；力度 0 结束它，或在给定拍数后结束", [`${P}/prompt`]: "用这些音符代替演奏者此前的历史；乐句模型取其开头几小节作为乐句", [`${P}/generate`]: "从下一拍起演奏这么多拍", [`${P}/parts`]: "列出其模型各声部的编号、名称、通道和音色号", [`${P}/part/{n}/channel`]: "一个声部的 MIDI 通道，0 为下一个空闲的", [`${P}/part/{n}/program`]: "一个声部的 General MIDI 音色号，0 为模型自己的",
  [`${P}/param/original`]: "避免重复模型学过的音乐：0 不管，0.5 不许连续 16 个音相同，1 不许 10 个", [`${P}/param/recall`]: "旋律在多大程度上取自你本次的演奏：0 不取，1 有把握就取", [`${P}/param/role`]: "自由模式下在乐队中的角色；空为不在乐队", [`${P}/param/style`]: "其角色的风格",
  [`${P}/latent`]: "乐句模型的点，以标准差计的每个数；从下一个十六分音符起演奏", [`${P}/latent/phrase`]: "给出一个已存乐句的音符；0 为正在演奏的",
  [H]: "给出当前和声的拍、和弦、调、把握程度和来源", [`${H}/note`]: "和弦轨的一个音；力度 0 结束它",
  [`${X}/ending`]: "走向结束：一个过门，在乐句开头奏最后的和弦，然后停止", [`${X}/beat`]: "另一程序现在的位置；时钟来源为 osc 时跟随", [`${X}/cue`]: "停在此位置，并先准备好其后的音符", [`${X}/render`]: "尽快演奏到此位置，供离线渲染的程序使用",
  "/rnnmuse/band": "演奏者 1 到 4 成为乐队的主奏、和弦、低音与鼓，从下一小节线起演奏；空则解散", "/rnnmuse/band/fours": "主奏（或你）与鼓每隔这么多小节轮换；0 为不轮换", "/rnnmuse/band/density": "整个乐队演奏得多满；0.5 由曲势和你的力度决定",
  "/rnnmuse/memory/forget": "忘记本次演奏过的内容", "/rnnmuse/memory/remember": "把本次演奏保存在此名称的文件里", "/rnnmuse/memory/recall": "重新记起以此名称保存的内容",
  "/rnnmuse/midi/open": "打开名称含此文字的第一个 MIDI 端口：现在，或等它出现时；断开后恢复时再打开", "/rnnmuse/midi/close": "结束端口上的音符并关闭它；不再寻找它",
  "/rnnmuse/midi/test": "在名称含此文字的输出上奏半秒音；空为全部", "/rnnmuse/midi/learn": "下一个移动的控制器将设定此地址", "/rnnmuse/midi/unlearn": "不再由控制器设定", "/rnnmuse/preset/store": "保存演奏者的现状", "/rnnmuse/preset/recall": "恢复预设；MIDI 音色变换也可以", "/rnnmuse/rig/save": "把演奏者、预设和学到的控制器写入配置文件",
};
