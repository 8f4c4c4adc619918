using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.Examples;

/// <summary>A row of an image set in memory.</summary>
internal sealed class LabelledImage
{
    public string Label { get; set; } = "";

    [ImageType(28, 28)] // the schema states the size
    public MLImage? Image { get; set; }
}
