using Microsoft.ML;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>
/// A view whose getters may make a new image at each call. It belongs to the reader, who may dispose it; an image of
/// another view may belong to somebody else.
/// </summary>
internal interface IImageMaker
{
    /// <summary>Returns whether each image that is read from a column is a new one.</summary>
    bool MakesImages(DataViewSchema.Column column);
}
