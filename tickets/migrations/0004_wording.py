"""Change help texts and labels of choices. Nothing changes in the database."""

import desk.encryption
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0003_viewer_and_sender_action"),
    ]

    operations = [
        migrations.AlterField(
            model_name="attachment",
            name="content_type",
            field=models.CharField(blank=True, help_text="As the bytes show it", max_length=100),
        ),
        migrations.AlterField(
            model_name="attachment",
            name="refreshes",
            field=models.PositiveSmallIntegerField(default=0, help_text="How often a new link was requested from Meta"),
        ),
        migrations.AlterField(
            model_name="attachment",
            name="source_url",
            field=models.TextField(blank=True, help_text="Meta's link; it expires"),
        ),
        migrations.AlterField(
            model_name="contact",
            name="about",
            field=models.TextField(
                blank=True, help_text="What agents know about this customer; never sent to Facebook"
            ),
        ),
        migrations.AlterField(
            model_name="contact",
            name="erased_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When their data was erased; if they write again, that is a new contact",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="conversation",
            name="delivered_watermark",
            field=models.DateTimeField(
                blank=True, help_text="Messages sent at or before this (Meta's time) were delivered", null=True
            ),
        ),
        migrations.AlterField(
            model_name="conversation",
            name="read_watermark",
            field=models.DateTimeField(
                blank=True, help_text="Messages sent at or before this (Meta's time) were read", null=True
            ),
        ),
        migrations.AlterField(
            model_name="conversation",
            name="waiting_since",
            field=models.DateTimeField(
                blank=True, help_text="Time of the first customer message without a reply", null=True
            ),
        ),
        migrations.AlterField(
            model_name="erasure",
            name="files_left",
            field=models.JSONField(blank=True, default=list, help_text="Names in the storage, chosen by Desk"),
        ),
        migrations.AlterField(
            model_name="erasure",
            name="meta_blocks",
            field=models.BooleanField(
                default=False, help_text="Whether Meta still blocks them; unknown when Meta has not answered", null=True
            ),
        ),
        migrations.AlterField(
            model_name="eventdelivery",
            name="body",
            field=models.TextField(blank=True, help_text="The body of the first call; later calls send the same"),
        ),
        migrations.AlterField(
            model_name="eventdelivery",
            name="facts",
            field=models.JSONField(
                blank=True, default=dict, help_text="What no other row records: who did it, what changed"
            ),
        ),
        migrations.AlterField(
            model_name="eventsubscription",
            name="disabled_reason",
            field=models.TextField(blank=True, help_text="Why Desk disabled it"),
        ),
        migrations.AlterField(
            model_name="eventsubscription",
            name="previous_secret",
            field=desk.encryption.EncryptedTokenField(
                blank=True, help_text="Also signs for a day after a rotation", null=True
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="client_key",
            field=models.CharField(
                blank=True,
                help_text="Made by the composer, so that sending twice makes one message",
                max_length=64,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="edit_number",
            field=models.PositiveSmallIntegerField(default=0, help_text="num_edit of the newest edit processed"),
        ),
        migrations.AlterField(
            model_name="message",
            name="is_standby",
            field=models.BooleanField(default=False, help_text="Received while another app held the thread"),
        ),
        migrations.AlterField(
            model_name="message",
            name="mid",
            field=models.CharField(
                blank=True,
                help_text="Meta's message id, or a key made by Desk when Meta gave none",
                max_length=255,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="original_timestamp",
            field=models.CharField(blank=True, help_text="Meta's timestamp when it was not valid", max_length=64),
        ),
        migrations.AlterField(
            model_name="message",
            name="reason",
            field=models.TextField(blank=True, help_text="Why it failed, is held or unsure; shown to agents"),
        ),
        migrations.AlterField(
            model_name="message",
            name="sent_at",
            field=models.DateTimeField(
                help_text="Meta's time (ms); of a reply, the time it was written until Meta accepts it"
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="waits_for_customer",
            field=models.BooleanField(
                default=False, help_text="Held until the customer writes; an agent must release any other held reply"
            ),
        ),
        migrations.AlterField(
            model_name="messagechange",
            name="content",
            field=models.JSONField(default=dict, help_text="edit: text, number; reaction: by, emoji (empty: removed)"),
        ),
        migrations.AlterField(
            model_name="messagechange",
            name="key",
            field=models.CharField(help_text="The event's key: the same change twice is stored once", max_length=255),
        ),
        migrations.AlterField(
            model_name="moderation",
            name="due_at",
            field=models.DateTimeField(
                blank=True, db_index=True, help_text="When the next call to Meta is due", null=True
            ),
        ),
        migrations.AlterField(
            model_name="moderation",
            name="is_blocked",
            field=models.BooleanField(help_text="Whether Desk blocks the contact"),
        ),
        migrations.AlterField(
            model_name="moderation",
            name="meta_blocks",
            field=models.BooleanField(
                default=False, help_text="What Meta last confirmed; unknown while a call is under way", null=True
            ),
        ),
        migrations.AlterField(
            model_name="moderation",
            name="reason",
            field=models.TextField(blank=True, help_text="Why Meta refused; shown to agents"),
        ),
        migrations.AlterField(
            model_name="moderation",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting to be sent to Meta"),
                    ("told", "Accepted by Meta"),
                    ("refused", "Refused by Meta"),
                ],
                default="waiting",
                max_length=7,
            ),
        ),
        migrations.AlterField(
            model_name="pagereaction",
            name="due_at",
            field=models.DateTimeField(
                blank=True, db_index=True, help_text="When the next call to Meta is due", null=True
            ),
        ),
        migrations.AlterField(
            model_name="pagereaction",
            name="emoji",
            field=models.CharField(blank=True, help_text="Empty: the reaction is removed", max_length=32),
        ),
        migrations.AlterField(
            model_name="pagereaction",
            name="reason",
            field=models.TextField(blank=True, help_text="Why it was refused; shown to agents"),
        ),
        migrations.AlterField(
            model_name="pagereaction",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting to be sent to Meta"),
                    ("told", "Accepted by Meta"),
                    ("refused", "Refused by Meta or Desk"),
                ],
                default="waiting",
                max_length=7,
            ),
        ),
        migrations.AlterField(
            model_name="senderaction",
            name="is_on",
            field=models.BooleanField(default=True, help_text="Typing: started, or stopped"),
        ),
        migrations.AlterField(
            model_name="senderaction",
            name="is_waiting",
            field=models.BooleanField(default=True, help_text="Not yet claimed by the worker"),
        ),
    ]
