using CondDiffusion.Examples;
using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>Reads the images of a study from a data set, and shows them to trainers.</summary>
internal static class StudyImages
{
    /// <summary>The labels of MNIST and Fashion-MNIST, from 0.</summary>
    public const int Labels = 10;

    /// <summary>The height and the width of their images.</summary>
    public const int Side = 28;

    /// <summary>Returns the value in [-1, 1] of each level.</summary>
    private static readonly float[] Values =
        [.. Enumerable.Range(0, 256).Select(level => (level - PixelConversion.Offset) * PixelConversion.Scale)];

    private static readonly string[] LabelNames = [.. Enumerable.Range(0, Labels).Select(label => $"{label}")];

    /// <summary>Reads all images.</summary>
    public static IReadOnlyList<GreyImage> ReadAll(IDataView data) => Read(data, _ => true);

    /// <summary>Reads some images of each label, which the seed chooses.</summary>
    /// <param name="data">The images of a data set.</param>
    /// <param name="counts">The number of images of each label.</param>
    /// <param name="seed">Decides which ones.</param>
    public static IReadOnlyList<GreyImage> Draw(IDataView data, IReadOnlyList<int> counts, int seed)
    {
        uint[] labels = [.. data.GetColumn<uint>("Label")];
        int[] rows = [.. Enumerable.Range(0, labels.Length)];
        new Random(seed).Shuffle(rows);
        var rowsOf = rows.ToLookup(row => (int)labels[row]);
        for (var label = 0; label < Labels; label++)
        {
            if (rowsOf[label].Count() is var found && found < counts[label])
            {
                throw new UsageException(
                    $"The study asks for {counts[label]} images of label {label}, but the data has {found}.");
            }
        }

        var chosen = counts.SelectMany((count, label) => rowsOf[label].Take(count)).ToHashSet();
        return Read(data, chosen.Contains);
    }

    /// <summary>Returns the level of a value in [-1, 1].</summary>
    public static byte ToLevel(float value) =>
        (byte)MathF.Round(value / PixelConversion.Scale + PixelConversion.Offset);

    /// <summary>
    /// Shows images as rows of a key, Label, of the label's number; the values in [-1, 1], Pixels; and Weight. They are
    /// converted as they are read.
    /// </summary>
    public static IDataView ToView(MLContext ml, IEnumerable<WeightedImage> images)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), Labels);
        schema[nameof(Row.Label)].AddAnnotation(
            "KeyValues", LabelNames, new VectorDataViewType(TextDataViewType.Instance, Labels));
        schema[nameof(Row.Pixels)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Side * Side);
        var rows = images.Select(image => new Row
        {
            Label = (uint)image.Image.Label, // of key 1 it is 0 here
            Pixels = Array.ConvertAll(image.Image.Levels, level => Values[level]),
            Weight = image.Weight,
        });
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static List<GreyImage> Read(IDataView data, Func<int, bool> isWanted)
    {
        var labelColumn = data.Schema["Label"];
        var imageColumn = data.Schema["Image"];
        using var cursor = data.GetRowCursor([labelColumn, imageColumn]);
        var getLabel = cursor.GetGetter<uint>(labelColumn);
        var getImage = cursor.GetGetter<MLImage>(imageColumn);
        var label = 0u;
        MLImage image = null!;
        var images = new List<GreyImage>();
        while (cursor.MoveNext())
        {
            if (!isWanted((int)cursor.Position)) continue;
            getLabel(ref label);
            getImage(ref image);
            byte[] levels = [.. PixelConversion.ToBgr(image).Where((_, i) => i % 3 == 0)];
            images.Add(new((int)label, levels));
        }

        return images;
    }

    private sealed class Row
    {
        public uint Label { get; set; }

        public float[] Pixels { get; set; } = [];

        public float Weight { get; set; }
    }
}
