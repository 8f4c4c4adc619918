using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Support;

internal static partial class Tiny
{
    /// <summary>Returns the schema of a row class with another number of labels.</summary>
    public static SchemaDefinition Schema<T>(ulong labels)
        where T : Row
    {
        var schema = SchemaDefinition.Create(typeof(T));
        schema[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), labels);
        return schema;
    }

    /// <summary>A label without anything else.</summary>
    public class Row
    {
        /// <summary>The label, counted from 0: ML.NET makes it the keys 1 and 2.</summary>
        [KeyType(2)]
        public uint Label { get; set; }
    }

    public sealed class SeededRow : Row
    {
        public long Seed { get; set; }
    }

    public sealed class Image : Row
    {
        [VectorType(1, 8, 8)]
        public float[]? Pixels { get; set; } = new float[64];
    }

    /// <summary>What a model of <see cref="Options"/> or <see cref="Description"/> generates.</summary>
    public sealed class GeneratedRow
    {
        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }

        [VectorType(1, 8, 8)]
        public float[]? GeneratedPixels { get; set; }
    }

    public class NameRow
    {
        public string Name { get; set; } = "";

        public long Seed { get; set; }
    }

    public class Animal : NameRow
    {
        public float Number { get; set; }

        public bool Flag { get; set; }

        [VectorType(64)]
        public float[] Pixels { get; set; } = [];
    }

    public sealed class Photo : Animal
    {
        [ImageType(10, 12)]
        public MLImage? Image { get; set; }
    }
}
