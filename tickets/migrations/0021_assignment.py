import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("channels_im", "0011_go_live"),
        ("desk", "0008_language"),
        ("tickets", "0020_snooze"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AssignmentSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "on_reply",
                    models.CharField(
                        choices=[
                            ("ask", "Ask the one who replied"),
                            ("always", "Assign it to the one who replied"),
                            ("never", "Leave it unassigned"),
                        ],
                        default="ask",
                        max_length=6,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("off", "Off"),
                            ("round_robin", "In turn (round robin)"),
                            ("least_loaded", "To the least loaded agent"),
                        ],
                        default="off",
                        max_length=12,
                    ),
                ),
                (
                    "capacity",
                    models.PositiveSmallIntegerField(
                        default=10,
                        help_text="Open conversations of an agent who has no capacity of their own",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(500),
                        ],
                    ),
                ),
                (
                    "last_agent_first",
                    models.BooleanField(default=True, help_text="To the agent who replied last, if they have room"),
                ),
                (
                    "hand_back_minutes",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="How long a customer waits for an agent who is away until the conversation is unassigned; empty: off",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1440),
                        ],
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "assignment settings",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Availability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "capacity",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="How many open conversations they take; empty: as their department says; 0: none automatically",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(500)],
                    ),
                ),
                (
                    "turn",
                    models.PositiveBigIntegerField(default=0, help_text="Number of their last automatic assignment"),
                ),
                (
                    "away_since",
                    models.DateTimeField(blank=True, help_text="When they went away; empty: online", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "availability of agents",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(
                    ("assignee__isnull", True),
                    ("is_open", True),
                    ("is_snoozed", False),
                    ("waiting_since__isnull", False),
                ),
                fields=["waiting_since", "id"],
                name="conversation_to_assign",
            ),
        ),
        migrations.AddField(
            model_name="assignmentsettings",
            name="department",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="assignment", to="desk.department"
            ),
        ),
        migrations.AddField(
            model_name="availability",
            name="agent",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="availability", to="desk.agent"
            ),
        ),
        migrations.AddConstraint(
            model_name="assignmentsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(("capacity__gte", 1), ("capacity__lte", 500)), name="assignment_capacity_in_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="assignmentsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("hand_back_minutes", None),
                    models.Q(("hand_back_minutes__gte", 1), ("hand_back_minutes__lte", 1440)),
                    _connector="OR",
                ),
                name="assignment_hand_back_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="availability",
            constraint=models.CheckConstraint(
                condition=models.Q(("capacity", None), ("capacity__lte", 500), _connector="OR"),
                name="agent_capacity_in_range",
            ),
        ),
    ]
