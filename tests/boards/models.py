"""Tracked models of kinds that the product has none of: parts that cascade, and links."""

from django.db import models

from audit.domain import HistoricalRecords, subject, track_links


class Label(models.Model):
    name = models.TextField()

    def __str__(self):
        return self.name


@subject("board", tenant="tenant")
class Board(models.Model):
    id = models.UUIDField(primary_key=True)
    tenant = models.TextField()
    name = models.TextField(db_column="Board name")
    kind = models.TextField(default="")
    price = models.DecimalField(max_digits=30, decimal_places=10, default=0)
    labels = models.ManyToManyField(Label)
    history = HistoricalRecords()

    def __str__(self):
        return self.name


class Card(models.Model):
    id = models.UUIDField(primary_key=True)
    board = models.ForeignKey(Board, on_delete=models.CASCADE)
    text = models.TextField()
    history = HistoricalRecords(part_of="board")

    def __str__(self):
        return self.text


track_links(Board.labels, part_of="board")
