# Databricks notebook source
dbutils.widgets.text("csv", "data/seattle-weather.csv")
dbutils.widgets.text("out", "dbfs:/seattle_weather/by_hand")
dbutils.widgets.text("year", "2012")

# COMMAND ----------

# MAGIC %run ./helpers

# COMMAND ----------

year = int(dbutils.widgets.get("year"))
weather = read_weather(dbutils.widgets.get("csv"))
days = weather[weather["year"] == year]

# COMMAND ----------

# DBTITLE 1,The year in numbers
summary = {
    "year": year,
    "days": len(days),
    "rainy_days": int((days["precipitation"] > 0).sum()),
    "rain_mm": round(float(days["precipitation"].sum()), 1),
    "warmest": float(days["temp_max"].max()),
    "coldest": float(days["temp_min"].min()),
    "mean_max": round(float(days["temp_max"].mean()), 2),
    "by_month": [round(float(value), 2) for value in days.groupby("month")["temp_max"].mean()],
}
display(pd.Series(summary).to_frame("value"))

# COMMAND ----------

save(f"year-{year}", summary)
dbutils.notebook.exit(json.dumps({"year": year, "rain_mm": summary["rain_mm"]}))
