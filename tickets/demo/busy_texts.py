"""The texts of the busy demo: what customers ask, what agents answer, what they note; put together from parts."""

from dataclasses import dataclass
from random import Random

ENGLISH, GERMAN, FRENCH, SPANISH, ARABIC = "en", "de", "fr", "es", "ar"
LANGUAGES, SHARES = (ENGLISH, GERMAN, FRENCH, SPANISH, ARABIC), (72, 10, 7, 7, 4)

NAMES = {
    ENGLISH: (
        [
            "Amelia",
            "Oliver",
            "Grace",
            "Harry",
            "Isla",
            "Jack",
            "Ruby",
            "Noah",
            "Freya",
            "Leo",
            "Priya",
            "Kwame",
            "Chloe",
            "Daniel",
            "Megan",
            "Ethan",
            "Naomi",
        ],
        [
            "Walker",
            "Hughes",
            "Patel",
            "Bennett",
            "O’Connor",
            "Okafor",
            "Thompson",
            "Reid",
            "Marsh",
            "Fletcher",
            "Singh",
            "Doyle",
            "Harper",
            "Quinn",
        ],
    ),
    GERMAN: (
        ["Lena", "Jonas", "Marie", "Felix", "Anna", "Paul", "Clara", "Moritz", "Greta", "Lukas", "Jürgen", "Zoë"],
        [
            "Schröder",
            "Weber",
            "Krämer",
            "Vogel",
            "Hoffmann",
            "Brandt",
            "Müller-Lüdenscheidt",
            "Neumann",
            "Jäger",
            "Köhler",
        ],
    ),
    FRENCH: (
        ["Camille", "Hugo", "Léa", "Théo", "Manon", "Jules", "Chloé", "Mathis", "Zélie", "Anaïs"],
        ["Lefèvre", "Moreau", "Girard", "Dubois", "Perrin", "Fontaine", "Chevalier", "Rousseau"],
    ),
    SPANISH: (
        ["Lucía", "Mateo", "Sofía", "Álvaro", "Carmen", "Javier", "Inés", "Hugo", "Íñigo"],
        ["García", "Fernández", "Romero", "Navarro", "Iglesias", "Muñoz", "Ortega", "Peña"],
    ),
    ARABIC: (
        ["ليلى", "عمر", "سارة", "يوسف", "مريم", "خالد", "نور", "حسن"],
        ["الحداد", "منصور", "العلي", "قاسم", "النجار", "سليم", "الخطيب"],
    ),
}


@dataclass(frozen=True)
class Topic:
    """What a conversation is about: its label, and the parts of its texts. `{}` is what it is about, or a number."""

    label: str
    subject: str
    opens: tuple[str, ...]
    answers: tuple[str, ...]
    follows: tuple[str, ...]
    note: str


GREETINGS = {
    ENGLISH: ("Hi, ", "Hello! ", "Good morning, ", "Hey there 👋 ", "Hi team, ", ""),
    GERMAN: ("Hallo, ", "Guten Tag, ", "Moin! ", ""),
    FRENCH: ("Bonjour, ", "Bonsoir, ", ""),
    SPANISH: ("Hola, ", "¡Buenos días! ", ""),
    ARABIC: ("مرحبا، ", "السلام عليكم، ", ""),
}
THINGS = {
    ENGLISH: (
        "the blue city bike, size M", "a child seat", "my order {number}", "the gift voucher", "the front lights",
        "two winter jackets", "the weekend trip to Lisbon", "my new glasses", "the sourdough course",
        "the catering for Friday", "the rear rack", "a table for six",
    ),
    GERMAN: ("die Bestellung {number}", "das Fahrrad in Größe M", "den Gutschein", "die neue Brille", "den Backkurs"),
    FRENCH: ("la commande {number}", "le vélo bleu", "le bon cadeau", "mes nouvelles lunettes", "le cours de pain"),
    SPANISH: ("el pedido {number}", "la bicicleta azul", "el vale de regalo", "las gafas nuevas", "el viaje a Lisboa"),
    ARABIC: ("الطلب رقم {number}", "الدراجة الزرقاء", "قسيمة الهدية", "النظارة الجديدة"),
}  # fmt: skip
DETAILS = (
    "It is for my daughter’s birthday on Saturday, so I would love to know soon.",
    "I already tried the form on your website twice, but it only shows an error.",
    "No hurry at all 🙂",
    "Could you please let me know today? I am leaving town tomorrow.",
    "I can send a photo if that helps 📷",
    "My neighbour recommended you, by the way!",
    "To give you the whole story: I ordered three weeks ago, got the confirmation within a minute, then a message that "
    "there would be a delay, then nothing. On Tuesday I called and a very friendly colleague of yours promised that "
    "somebody would come back to me by the end of the day. That was four days ago. I do understand that things go "
    "wrong, but I would really like to know where I stand now, and whether I should look for something else.",
    "Thanks in advance!",
    "I paid by card, the receipt ends in 4471.",
    "",
    "",
    "",
)
TOPICS = (
    Topic(
        "Delivery", "Where is the parcel?",
        ("where is {}? The tracking page has not changed since Monday.",
         "any news about {}? It should have come by now.",
         "the courier says {} was delivered, but there is nothing here 😕"),
        ("I have just checked with the courier: it is out for delivery and will be with you tomorrow before noon.",
         "Sorry about the wait! It left our warehouse this morning. I will keep an eye on it for you.",
         "I have asked the courier to look into it. We will hear from them within one working day."),
        ("Will they ring, or leave it with a neighbour?", "OK, I will be at home until two.",
         "It has still not arrived."),
        "Courier ticket opened, they answer until tomorrow 16:00.",
    ),
    Topic(
        "Refund", "Refund",
        ("I would like to send back {}. How does that work?", "I returned {} ten days ago and still have no refund.",
         "I was charged twice for {} 💳"),
        ("Of course. I have sent you a return label by e-mail; the refund takes three to five days after it arrives.",
         "You are right, that was booked twice. I have sent one of the two payments back just now.",
         "The refund left us on Wednesday. Banks can need up to five working days."),
        ("Do I need the original box?", "Great, I will bring it to the post office today.",
         "Nothing on my account yet."),
        "Refund approved, amount checked against the invoice.",
    ),
    Topic(
        "Appointment", "Appointment",
        ("can I book an appointment about {} next week?", "I have to move my appointment for {}. Is Thursday possible?",
         "do you have anything free this Saturday? It is about {}."),
        ("Thursday at 10:30 or at 16:00 would work. Which one do you prefer?",
         "Saturday is full, but there is a place on Friday at five. Shall I put you down?",
         "Done! You are booked for Tuesday at 9:15. See you then."),
        ("16:00 is perfect.", "Friday is fine, thank you!", "Could it be a little later?"),
        "Prefers the afternoon; call if something earlier becomes free.",
    ),
    Topic(
        "Question", "Question before buying",
        ("is {} still available?", "what is the difference between {} and the one from last year?",
         "do you have {} in another colour as well?", "how much would {} cost with delivery?"),
        ("Yes, we have three left. I can reserve one for you until tomorrow evening.",
         "The new one is lighter and has two years of warranty instead of one. Otherwise they are the same.",
         "It comes in black, blue and a lovely green. Delivery is free from 50 euros."),
        ("Please reserve the green one 💚", "And how long is the warranty?", "Let me think about it until tonight."),
        "Reserved one until tomorrow evening.",
    ),
    Topic(
        "Complaint", "Complaint",
        ("I am quite disappointed with {}. It broke on the second day.", "{} arrived damaged 😡 The box was wide open.",
         "nobody answers the phone. This is about {}, for the third time."),
        ("I am sorry, that must not happen. We will replace it free of charge, and you can keep the other one.",
         "Thank you for telling us, and sorry for the trouble. May I ask for a photo of the damage?",
         "I have taken this over myself, so you will not have to explain it again."),
        ("Here is what it looks like: the left side is completely bent.", "When will the new one come?",
         "I expected better, honestly."),
        "Third contact about this. Please handle with care and offer a voucher.",
    ),
    Topic(
        "Warranty", "Repair",
        ("{} makes a strange noise since yesterday. Is that covered by the warranty?",
         "can you repair {}? I bought it here in spring.",
         "how long does a repair take at the moment? It is about {}."),
        ("That is covered. Bring it by, no appointment needed; it takes about two days.",
         "Sounds like a loose screw. If you are around, we will look at it while you wait.",
         "At the moment it takes four working days. We will write as soon as it is ready."),
        ("Do I have to bring the invoice?", "I will come by after work.", "Any news from the workshop?"),
        "Workshop: spare part ordered, two days.",
    ),
)  # fmt: skip
OTHER_LANGUAGES = {
    GERMAN: (
        ("wann kommt {}? Ich warte seit Montag darauf.", "ich möchte {} zurückgeben. Wie funktioniert das genau?",
         "ist {} noch zu haben? 🚲", "leider kam {} beschädigt an. Können Sie mir bitte weiterhelfen?"),
        ("Das tut mir leid! Ich habe nachgesehen: Morgen Vormittag ist es bei Ihnen.",
         "Gern. Das Rücksendeetikett habe ich Ihnen gerade per E-Mail geschickt.", "Ja, davon sind noch zwei da."),
        ("Vielen Dank für die schnelle Antwort!", "Super, danke 😊", "Muss ich dafür zu Hause sein?"),
    ),
    FRENCH: (
        ("où en est {} ? Je n’ai pas de nouvelles depuis lundi.", "je voudrais renvoyer {}. Comment faire ?",
         "est-ce que vous avez encore {} en stock ?", "{} ne marche plus depuis hier 😟"),
        ("Je viens de vérifier : la livraison est prévue demain avant midi.",
         "Bien sûr, je vous envoie l’étiquette de retour tout de suite.", "Oui, il nous en reste deux !"),
        ("Merci beaucoup !", "Parfait, bonne journée ☀️", "Et si je ne suis pas à la maison ?"),
    ),
    SPANISH: (
        ("¿dónde está {}? No he recibido nada todavía.", "quiero devolver {}. ¿Qué tengo que hacer?",
         "¿todavía tienen {}?", "tengo un problema con {} 😔"),
        ("Lo acabo de mirar: llega mañana por la mañana.", "Claro, le envío la etiqueta de devolución por correo.",
         "Sí, nos quedan dos. ¿Le reservo uno?"),
        ("¡Muchísimas gracias!", "Genial 👍", "¿Y a qué hora más o menos?"),
    ),
    ARABIC: (
        ("أين وصل {}؟ لم يصلني شيء منذ يوم الاثنين.", "أريد إرجاع {}. كيف يمكنني ذلك؟", "هل {} متوفر حاليا؟ 🙏"),
        ("تحققت الآن: سيصلكم غدا قبل الظهر إن شاء الله.", "بالتأكيد، أرسلت لكم ملصق الإرجاع بالبريد الإلكتروني."),
        ("شكرا جزيلا!", "ممتاز 👍", "هل يجب أن أكون في المنزل؟"),
    ),
}  # fmt: skip
THANKS = (
    "Thank you so much, that was quick!", "Perfect, thanks 🙏", "Great, have a nice day!", "👍", "You are the best ❤️",
    "OK thanks.", "Brilliant, that solves it.",
)  # fmt: skip
NUDGES = ("Hello? Is anybody there?", "Any news?", "??", "Sorry to ask again, but it is getting urgent.", "Please 🙏")
NOTES_TO = (
    "@{name} could you take a look? You know this customer.",
    "@{name} please check the price, I am not sure that it still holds.",
    "FYI @{name}: they come by tomorrow.",
)
PLAIN_NOTES = (
    "Called, no answer. Trying again after lunch.",
    "Regular customer since 2021, always friendly.",
    "Address changed, updated in the shop.",
    "Wants an invoice for the company.",
)
CONTACT_NOTES = (
    "Prefers to be called in the afternoon.",
    "Has an account for the company, invoices go to the office.",
    "Speaks French and English.",
    "Had a damaged parcel in spring; please check the packing twice.",
)
SCHEDULED = (
    "Good morning! As promised: your order is ready to be picked up from ten o’clock. ☀️",
    "Just a short reminder of your appointment tomorrow. See you then!",
    "Did everything arrive safely? Let us know if something is missing.",
)


@dataclass(frozen=True)
class Script:
    """The texts of one conversation. `lines`: (from the customer?, text) in their order; the first opens it."""

    language: str
    topic: Topic
    lines: tuple[tuple[bool, str], ...]


def name(random: Random, language: str) -> str:
    """Return an invented name."""
    first, last = NAMES[language]
    return f"{random.choice(first)} {random.choice(last)}"


def script(random: Random, language: str, *, answered: bool, thanked: bool) -> Script:
    """Return the texts of a conversation: it ends with an answer or not (`answered`), or with thanks (`thanked`)."""
    topic = random.choice(TOPICS)
    opens, answers, follows = OTHER_LANGUAGES.get(language, (topic.opens, topic.answers, topic.follows))
    thing = random.choice(THINGS[language]).format(number=random.randint(20_100, 98_900))
    greeting = random.choice(GREETINGS[language])
    opening = random.choice(opens).format(thing)
    if not greeting or not greeting.endswith(", "):
        opening = opening[0].upper() + opening[1:]
    detail = random.choice(DETAILS) if language == ENGLISH else ""
    lines = [(True, f"{greeting}{opening} {detail}".strip())]
    for _turn in range(random.choices((0, 1, 2), (6, 3, 1))[0]):
        lines += [(False, random.choice(answers)), (True, random.choice(follows))]
    if answered:
        lines.append((False, random.choice(answers)))
    elif random.random() < 0.25:
        lines.append((True, random.choice(NUDGES)))
    if thanked:
        lines.append((True, random.choice(THANKS) if language == ENGLISH else random.choice(follows)))
    return Script(language, topic, tuple(lines))
