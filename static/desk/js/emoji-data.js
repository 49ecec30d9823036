// The emoji of the picker, by group: each with its English names, by which it is found in every language.

import { gettext, pgettext } from "./words.js";

export const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉"];

const raw = {
  Smileys: `😀 grinning happy|😃 smiley joy happy|😄 smile laugh|😁 grin beaming teeth|😆 laughing squint|😅 sweat smile relief phew|🤣 rofl rolling laughing
😂 tears of joy laugh lol|🙂 slight smile|🙃 upside down silly|😉 wink|😊 blush smile warm|😇 angel innocent halo|🥰 in love hearts adore|😍 heart eyes love
🤩 star struck wow excited|😘 kiss blow|😋 yum delicious tongue|😜 wink tongue joke|🤪 zany crazy|🤗 hug|🤭 giggle oops|🤔 thinking hmm|🤐 zipper mouth secret
😐 neutral meh|😑 expressionless|😏 smirk|🙄 roll eyes|😬 grimace awkward|😌 relieved calm|😔 pensive sad|😪 sleepy|😴 sleeping zzz|😷 mask ill sick|🤒 thermometer ill fever
🤧 sneeze cold|🥵 hot|🥶 cold freezing|😵 dizzy|🤯 mind blown exploding|🥳 party celebrate birthday|😎 cool sunglasses|🤓 nerd glasses|😕 confused|😟 worried
🙁 frown sad|😮 wow open mouth surprised|😲 astonished|😳 flushed embarrassed|🥺 pleading please|😨 fearful|😰 anxious sweat|😥 sad relieved|😢 cry sad tear
😭 sob crying|😱 scream shock|😖 confounded|😞 disappointed|😩 weary tired|😤 huff triumph|😠 angry|😡 furious rage|🤬 swearing|💀 skull dead`,
  People: `👍 thumbs up like yes good ok|👎 thumbs down dislike no bad|👌 ok hand perfect|✌️ victory peace|🤞 fingers crossed luck|🤟 love you|🤙 call me|👈 left point
👉 right point|👆 up point|👇 down point|☝️ index one|✋ stop hand high five|👋 wave hello hi bye|🤚 back of hand|🖐️ five fingers|👏 clap applause bravo|🙌 hooray raised hands
👐 open hands|🤲 palms|🤝 handshake deal agree|🙏 thank you please pray|✍️ writing|💪 strong muscle|👀 eyes look see|🧠 brain|👂 ear listen|🙋 raising hand question
🙇 bow sorry thanks|🤷 shrug do not know|🤦 facepalm|💁 here you are|🙅 no gesture|🙆 ok gesture|👶 baby|👧 girl|👦 boy|👩 woman|👨 man|🧑 person|👵 grandmother|👴 grandfather
👩‍💻 technologist computer|👷 worker builder|👮 police|🧑‍🍳 cook chef|🎅 santa christmas|👨‍👩‍👧‍👦 family|🚶 walking|🏃 running`,
  "Hearts and signs": `❤️ heart love red|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|🤍 white heart|💔 broken heart|💕 two hearts
💖 sparkling heart|💯 hundred points perfect|✨ sparkles new|⭐ star|🌟 glowing star|💥 boom|💫 dizzy star|🔥 fire hot|💬 speech message|✅ done check yes|☑️ ticked box|✔️ check mark
❌ cross no wrong|❎ cross button|❗ exclamation important|❓ question|⚠️ warning attention|🚫 forbidden no|⛔ no entry stop|ℹ️ information|🆕 new|🆗 ok|🆓 free|🔴 red circle
🟠 orange circle|🟡 yellow circle|🟢 green circle|🔵 blue circle|➡️ right arrow|⬅️ left arrow|⬆️ up arrow|⬇️ down arrow|🔄 again reload|➕ plus|➖ minus|1️⃣ one|2️⃣ two|3️⃣ three|4️⃣ four|5️⃣ five`,
  Nature: `☀️ sun sunny weather|⛅ partly cloudy|☁️ cloud|🌧️ rain|⛈️ thunderstorm|❄️ snow cold winter|🌈 rainbow|🌙 moon night|🌍 earth world|🌊 wave sea|🌸 blossom spring flower|🌹 rose flower
🌻 sunflower|💐 bouquet flowers|🌷 tulip|🌱 seedling plant|🌳 tree|🌵 cactus|🍀 clover luck|🍁 leaf autumn|🐶 dog|🐱 cat|🐭 mouse|🐰 rabbit|🦊 fox|🐻 bear|🐼 panda|🦁 lion|🐮 cow|🐷 pig
🐴 horse|🐔 chicken|🐧 penguin|🐦 bird|🦉 owl|🐝 bee|🦋 butterfly|🐢 turtle|🐟 fish|🐬 dolphin`,
  Food: `🍎 apple|🍌 banana|🍇 grapes|🍓 strawberry|🍒 cherries|🍑 peach|🍋 lemon|🥑 avocado|🍅 tomato|🥕 carrot|🥔 potato|🍞 bread|🥐 croissant|🥨 pretzel|🧀 cheese|🥚 egg|🥗 salad
🍔 burger|🍟 fries chips|🍕 pizza|🌭 hot dog|🌮 taco|🍝 pasta spaghetti|🍜 noodles soup|🍣 sushi|🍦 ice cream|🍩 donut|🍪 cookie biscuit|🎂 birthday cake|🍰 cake slice|🍫 chocolate|☕ coffee tea
🍵 tea|🥤 drink cup|🍺 beer|🍷 wine|🥂 cheers champagne|🍾 bottle celebrate`,
  "Travel and fun": `🚗 car|🚕 taxi|🚌 bus|🚲 bicycle bike|🛵 scooter|🏍️ motorcycle|🚚 truck delivery|🚂 train|✈️ plane flight|🚀 rocket launch|⛵ boat|🚢 ship|🏠 house home|🏢 office building|🏪 shop store|🏥 hospital
🏫 school|🏖️ beach holiday|⛰️ mountain|🏕️ camping|🗺️ map|🧭 compass|🎉 party tada congratulations|🎊 confetti|🎈 balloon|🎁 gift present|🏆 trophy winner|🥇 gold medal first|⚽ football soccer
🏀 basketball|🎾 tennis|🏊 swim|🚴 cycling|🎵 music note|🎸 guitar|🎤 microphone sing|🎬 film movie|🎮 game|🎲 dice|🎨 art paint|🎄 christmas tree|🎃 pumpkin halloween`,
  Objects: `📦 package parcel box|📬 mailbox post|✉️ envelope letter mail|📧 email|📞 telephone call|📱 mobile phone|💻 laptop computer|🖥️ desktop computer|🖨️ printer|📷 camera photo|🎥 video camera|🔋 battery
🔌 plug power|💡 idea bulb light|🔧 wrench repair tool|🔨 hammer|🛠️ tools repair|⚙️ gear settings|🔑 key|🔒 locked|🔓 unlocked|🔔 bell notification|📌 pin|📎 paperclip attachment|✂️ scissors|📝 note write memo
📄 document page|📅 calendar date|⏰ alarm clock time|⌛ hourglass wait|⏳ hourglass waiting|🕐 clock one|📈 chart up growth|📉 chart down|💰 money bag|💳 credit card payment|💶 euro money|💵 dollar money|🧾 receipt invoice
🛒 shopping cart|🛍️ shopping bags|👕 shirt|👖 jeans|👟 shoe sneaker|👗 dress|👓 glasses|💍 ring|💊 pill medicine|🧹 broom clean|🛏️ bed|🛋️ sofa couch|🚿 shower|🗑️ bin trash|🔍 search magnifier|🔗 link|📍 place location`,
};

const NAMES = {
  Smileys: gettext("Smileys"),
  People: pgettext("a group of emoji", "People"),
  "Hearts and signs": gettext("Hearts and signs"),
  Nature: gettext("Nature"),
  Food: gettext("Food"),
  "Travel and fun": gettext("Travel and fun"),
  Objects: gettext("Objects"),
};

export const GROUPS = Object.entries(raw).map(([name, lines]) => ({
  name: NAMES[name],
  emoji: lines.split(/[|\n]/).map((entry) => {
    const [sign, ...words] = entry.trim().split(" ");
    return { sign, words: words.join(" ") };
  }),
}));
