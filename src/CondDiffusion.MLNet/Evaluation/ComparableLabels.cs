using CondDiffusion.MLNet.Interop;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Checks that the labels of different views can be compared.</summary>
internal static class ComparableLabels
{
    /// <summary>Checks that all columns have the values of their labels, or none has.</summary>
    /// <param name="columns">The columns and what messages call their views. A null column is passed over.</param>
    /// <exception cref="ArgumentException">
    /// One column has values and another one has keys without. The message names both.
    /// </exception>
    public static void Check(IEnumerable<(string View, LabelReader? Label)> columns)
    {
        var labels = columns.Where(column => column.Label is not null).ToArray();
        var with = labels.FirstOrDefault(column => column.Label!.HasValues);
        var without = labels.FirstOrDefault(column => !column.Label!.HasValues);
        if (with.Label is null || without.Label is null) return;

        throw new ArgumentException(
            $"Column '{without.Label.Name}' of the {without.View} data has keys without values, but column " +
            $"'{with.Label.Name}' of the {with.View} data has values: they cannot be compared. " +
            "MapKeyToValue, where the keys were made, keeps the values.",
            without.View);
    }
}
