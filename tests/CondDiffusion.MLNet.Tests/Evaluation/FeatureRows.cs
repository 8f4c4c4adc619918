using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Evaluation;

/// <summary>Makes feature vectors, and views of them.</summary>
internal static class FeatureRows
{
    /// <summary>Returns rows whose features are independent normal numbers.</summary>
    public static float[][] Normal(int seed, int rows, int features, double mean = 0, double deviation = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, rows).Select(_ => CreateRow())];

        float[] CreateRow() => [.. Enumerable.Range(0, features).Select(_ => (float)(mean + deviation * Next()))];

        // Box and Muller 1958.
        double Next() =>
            Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    /// <summary>Returns a view with the columns Features, Label and Predicted.</summary>
    public static IDataView View(
        MLContext ml, float[][] features, Func<int, string>? label = null, Func<int, string>? predicted = null)
    {
        var rows = features.Select((values, i) => new Row
        {
            Features = values,
            Label = label?.Invoke(i) ?? "a",
            Predicted = predicted?.Invoke(i) ?? "",
        });
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, features[0].Length);
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private sealed class Row
    {
        public float[] Features { get; set; } = [];

        public string Label { get; set; } = "";

        public string Predicted { get; set; } = "";
    }
}
